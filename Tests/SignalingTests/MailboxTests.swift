import Dispatch
import Foundation
import Identity
import SignalingClient
import TestTools
import Testing
import Wire

@testable import SignalingServer

/// Mail from one to another by way of a server.
@Suite struct MailboxTests {
    private static let capability = [UInt8](repeating: 0xCA, count: 16)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("mailbox") }

    /// Somebody who takes mail for the capability, and has left.
    private func absent(_ server: SignalingServer, _ capabilities: [[UInt8]] = [capability]) async throws -> Identity {
        let client = try await MailClient(try server.url)
        #expect(try await client.take(capabilities))
        client.leave()
        return client.identity
    }

    @Test func keepsMailForTheAbsentAndDeliversItInOrderOnce() async throws {
        try await withMailbox(in: folder) { server in
            let bob = try await absent(server)
            let alice = try await MailClient(try server.url)
            let envelopes = (0..<100).map { [UInt8](repeating: UInt8($0), count: 1 + $0 * 700) }
            var asked: [UInt32] = []
            for envelope in envelopes {
                asked.append(
                    try await alice.ask {
                        .mail(
                            request: $0, recipient: bob.peerID.key, capability: Self.capability, envelope: envelope)
                    })
            }
            for request in asked { #expect(try await alice.answer(request) == .stored(request: request)) }
            let there = try await MailClient(try server.url, bob)
            #expect(try there.info.waiting == 100)
            #expect(try there.info.timeToLive == 2_592_000 && there.info.quota == 67_108_864)
            let mails = try await there.mails(100)
            #expect(mails.map(\.envelope) == envelopes)
            #expect(mails.map(\.id) == mails.map(\.id).sorted() && Set(mails.map(\.id)).count == 100)
            try await there.acknowledge(mails)
            try await eventually("deleted") { server.metrics.value("mail_delivered_total") == 100 }
            let again = try await MailClient(try server.url, bob)
            #expect(try again.info.waiting == 0)
            #expect(try await again.mail(bob.peerID.key, Self.capability, [1]) == nil)
            #expect(try await again.mails(1).map(\.envelope) == [[1]])
            #expect(server.metrics.value("mail_stored_total") == 101)
        }
    }

    @Test func pushesToWhoIsThere() async throws {
        try await withMailbox(in: folder) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await bob.take([Self.capability]))
            for number in UInt8(0)..<50 {
                #expect(try await alice.mail(bob.key, Self.capability, [number]) == nil)
                if number % 3 == 0 { try await bob.acknowledge(bob.mails) }
            }
            _ = try await bob.mails(50)
            #expect(bob.envelopes == (0..<50).map { [$0] })
        }
    }

    @Test func storesTheLargestEnvelope() async throws {
        try await withMailbox(in: folder) { server in
            let bob = try await MailClient(try server.url)
            #expect(try await bob.take([Self.capability]))
            let envelope = RandomBytes.make(MailFrame.maximumEnvelope)
            #expect(try await bob.mail(bob.key, Self.capability, envelope) == nil)
            #expect(try await bob.mails(1).map(\.envelope) == [envelope])
        }
    }

    @Test func takesMailOnlyFromWhomTheRecipientWants() async throws {
        try await withMailbox(in: folder) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await alice.mail(bob.key, Self.capability, [1]) == .unknownRecipient)
            let (one, two) = (Self.capability, [UInt8](repeating: 2, count: 16))
            #expect(try await bob.take([one]))
            #expect(try await alice.mail(bob.key, two, [1]) == .capabilityRefused)
            #expect(try await alice.mail(bob.key, MailFrame.noCapability, [1]) == .capabilityRefused)
            #expect(try await alice.mail(bob.key, one, [1]) == nil)
            #expect(try await bob.take([two]))
            #expect(try await bob.take([one], .remove))
            #expect(try await alice.mail(bob.key, one, [2]) == .capabilityRefused)
            #expect(try await alice.mail(bob.key, two, [3]) == nil)
            // What was taken before stays.
            #expect(try await bob.mails(2).map(\.envelope) == [[1], [3]])
            #expect(server.metrics.value("mail_refused_total") == 4)
        }
    }

    @Test func replacesAllCapabilitiesAtOnce() async throws {
        try await withMailbox(in: folder) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            let all = (1...5).map { [UInt8](repeating: $0, count: 16) }
            #expect(try await bob.take([all[0], all[1]]))
            #expect(try await bob.take([all[1], all[2]], .replace))
            #expect(try await bob.take([all[3], all[4]], .add))
            #expect(try await bob.take([all[3]], .remove))
            // Nothing of it is in force yet.
            #expect(try await alice.mail(bob.key, all[0], [1]) == nil)
            #expect(try await alice.mail(bob.key, all[2], [1]) == .capabilityRefused)
            #expect(try await bob.take([], .commit))
            var verdicts: [MailRefusal?] = []
            for capability in all { verdicts.append(try await alice.mail(bob.key, capability, [1])) }
            #expect(verdicts == [.capabilityRefused, nil, nil, .capabilityRefused, nil])
        }
    }

    @Test func forgetsAListOfCapabilitiesThatWasNotFinished() async throws {
        try await withMailbox(in: folder) { server in
            let identity = try Identity.generate()
            let bob = try await MailClient(try server.url, identity)
            #expect(try await bob.take([Self.capability]))
            #expect(try await bob.take([], .replace))
            let again = try await MailClient(try server.url, identity)
            #expect(try await !again.take([], .commit))
            #expect(try await again.mail(again.key, Self.capability, [1]) == nil)
        }
    }

    @Test func boundsTheNumberOfCapabilities() async throws {
        try await withMailbox(in: folder, limits { $0.capabilities = 3 }) { server in
            let bob = try await MailClient(try server.url)
            let all = (1...4).map { [UInt8](repeating: $0, count: 16) }
            #expect(try await bob.take(Array(all[..<3])))
            #expect(try await bob.take([all[0]]))
            #expect(try await !bob.take([all[3]]))
            #expect(try await !bob.take(all, .replace))
            #expect(try await bob.take([all[0]], .remove))
            #expect(try await bob.take([all[3]]))
        }
    }

    @Test func everythingOutlivesTheServer() async throws {
        let identity = try Identity.generate()
        var generation: [UInt8] = []
        try await withMailbox(in: folder) { server in
            let bob = try await MailClient(try server.url, identity)
            #expect(try await bob.take([Self.capability]))
            try await bob.publish(Publication(peer: bob.key, batch: 1, signed: 2, oneTime: [3, 4, 5]))
            let alice = try await MailClient(try server.url)
            #expect(try await alice.mail(bob.key, Self.capability, [1]) == nil)
            #expect(try await alice.mail(bob.key, Self.capability, [2]) == nil)
            try await bob.acknowledge([try await bob.mails(1)[0]])
            try await eventually("deleted") { server.metrics.value("mail_delivered_total") == 1 }
            generation = try await MailClient(try server.url, identity).info.generation
        }
        try await withMailbox(in: folder) { server in
            let bob = try await MailClient(try server.url, identity)
            #expect(try bob.info.waiting == 1 && bob.info.oneTimeKeysLeft == 3 && bob.info.generation == generation)
            #expect(try await bob.mails(1).map(\.envelope) == [[2]])
            #expect(try await bob.mail(bob.key, Self.capability, [3]) == nil)
            let ids = try await bob.mails(2).map(\.id)
            #expect(ids[0] < ids[1])
        }
    }

    @Test func aNewLoginGetsWhatWasNotAcknowledged() async throws {
        try await withMailbox(in: folder) { server in
            let bob = try await absent(server)
            let alice = try await MailClient(try server.url)
            for number in UInt8(0)..<10 {
                #expect(try await alice.mail(bob.peerID.key, Self.capability, [number]) == nil)
            }
            let first = try await MailClient(try server.url, bob)
            let mails = try await first.mails(10)
            try await first.acknowledge([mails[0], mails[4], mails[4]])
            try await eventually("deleted") { server.metrics.value("mail_delivered_total") == 2 }
            let second = try await MailClient(try server.url, bob)
            #expect(try await second.mails(8).map(\.envelope) == [1, 2, 3, 5, 6, 7, 8, 9].map { [$0] })
            #expect(second.mails.allSatisfy { mails.contains($0) })
        }
    }

    @Test func whoDoesNotAcknowledgeGetsNoMoreThanTheWindow() async throws {
        let window = MailQuota(bytes: 1 << 20, items: 10)
        try await withMailbox(in: folder, limits { $0.window = window }) { server in
            let bob = try await absent(server)
            let alice = try await MailClient(try server.url)
            for number in UInt8(0)..<25 {
                #expect(try await alice.mail(bob.peerID.key, Self.capability, [number]) == nil)
            }
            let there = try await MailClient(try server.url, bob)
            let first = try await there.mails(10)
            // An answer that comes after everything that would have been pushed before it.
            #expect(try await there.bundle(there.key) == [])
            #expect(there.mails.count == 10)
            // Nothing comes of others' mails, or of what was not pushed.
            #expect(try await there.client.send(MailFrame.acknowledge(mails: [24, 25, 1_000, .max])))
            #expect(try await there.bundle(there.key) == [] && there.mails.count == 10)
            try await there.acknowledge(Array(first[..<4]))
            #expect(try await there.mails(14).count == 14)
            try await there.acknowledge(there.mails)
            try await there.acknowledge(try await there.mails(24))
            #expect(try await there.mails(25).map(\.envelope) == (0..<25).map { [$0] })
        }
    }

    @Test func theWindowHoldsForBytesToo() async throws {
        let window = MailQuota(bytes: 100_000, items: 1_000)
        try await withMailbox(in: folder, limits { $0.window = window }) { server in
            let bob = try await absent(server)
            let alice = try await MailClient(try server.url)
            for number in UInt8(0)..<6 {
                let envelope = [UInt8](repeating: number, count: 40_000)
                #expect(try await alice.mail(bob.peerID.key, Self.capability, envelope) == nil)
            }
            let there = try await MailClient(try server.url, bob)
            _ = try await there.mails(3)
            #expect(try await there.bundle(there.key) == [] && there.mails.count == 3)
            for count in 3..<6 {
                try await there.acknowledge([there.mails[count - 3]])
                _ = try await there.mails(count + 1)
            }
            #expect(there.envelopes.map { $0[0] } == [0, 1, 2, 3, 4, 5])
        }
    }

    @Test func aStoreThatTakesItsTimeKeepsNobodyElseWaiting() async throws {
        // Whoever asks for the time within a transaction waits as if for the disk.
        let disk = NSLock()
        var mailbox = MailboxConfiguration(directory: folder.file("data"))
        mailbox.clock = { disk.withLock { MailboxConfiguration.systemClock() } }
        try await withServer {
            $0.mailbox = mailbox
        } _: { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await bob.take([Self.capability]))
            let (held, go) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            Thread {
                disk.withLock {
                    held.signal()
                    go.wait()
                }
            }.start()
            defer { go.signal() }
            await withCheckedContinuation { continuation in
                DispatchQueue.global().async {
                    held.wait()
                    continuation.resume()
                }
            }
            let request = try await alice.ask {
                .mail(request: $0, recipient: bob.key, capability: Self.capability, envelope: [1])
            }
            for number in UInt8(0)..<20 {
                try await alice.client.send(.signal(peer: bob.key, payload: [number]))
                #expect(try await bob.client.signal().payload == [number])
            }
            #expect(!alice.frames.contains { $0.request == request })
            go.signal()
            #expect(try await alice.answer(request) == .stored(request: request))
            #expect(try await bob.mails(1).map(\.envelope) == [[1]])
        }
    }

    @Test func aServerWithoutAMailboxIgnoresItsFrames() async throws {
        try await withServer { server in
            let alice = try await TestClient.loggedIn(try server.url)
            #expect(
                try await alice.send(
                    .mail(request: 1, recipient: alice.key, capability: Self.capability, envelope: [1])))
            try await alice.send(.signal(peer: alice.key, payload: [1]))
            #expect(try await alice.signal().payload == [1])
            #expect(server.metrics.value("unknown_frames_total") == 1)
            #expect(!alice.all.contains { if case .mail = $0 { true } else { false } })
        }
    }

    @Test func nothingOfTheSenderIsOnTheDisk() async throws {
        let sender = try Identity.generate()
        let key = sender.peerID.key.bytes
        try await withMailbox(in: folder) { server in
            let (alice, bob) = (try await MailClient(try server.url, sender), try await MailClient(try server.url))
            #expect(try await bob.take([Self.capability]))
            try await bob.publish(Publication(peer: bob.key, batch: 1, signed: 2, oneTime: [3]))
            #expect(try await alice.mail(bob.key, Self.capability, [UInt8](repeating: 7, count: 300)) == nil)
            #expect(try await alice.request(bob.key, [8]) == nil)
            #expect(try await alice.bundle(bob.key, Self.capability).count == 2_617)
            #expect(try !Self.bytes(folder).contains(key))
            // Nor the capability itself, which would let who reads it send.
            #expect(try !Self.bytes(folder).contains(Self.capability))
        }
        #expect(try !Self.bytes(folder).contains(key))
    }

    @Test func nobodyIsNamedOnTheDisk() async throws {
        let people = try (0..<2).map { _ in try Identity.generate() }
        func named() throws -> [String] {
            let bytes = try Self.bytes(folder)
            return people.flatMap { person in
                let hex = person.peerID.key.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
                    .joined()
                let text = "\(person.peerID)".replacing("sotto1", with: "")
                return [
                    person.peerID.key.bytes, Array(hex.utf8), Array(hex.uppercased().utf8), Array(text.utf8),
                    Array(text.uppercased().utf8), Array(Data(person.peerID.key.bytes).base64EncodedString().utf8),
                ].filter { bytes.contains($0.prefix(40)) }.map { "\($0)" }
            }
        }
        try await withMailbox(in: folder) { server in
            let (alice, bob) = (
                try await MailClient(try server.url, people[0]), try await MailClient(try server.url, people[1])
            )
            for (one, other) in [(alice, bob), (bob, alice)] {
                #expect(try await one.take([Self.capability]))
                try await one.publish(Publication(peer: one.key, batch: 1, signed: 2, oneTime: [3]))
                #expect(try await one.mail(one.key, Self.capability, [UInt8](repeating: 7, count: 300)) == nil)
                #expect(try await other.request(one.key, [8]) == nil)
                #expect(try await other.bundle(one.key, Self.capability).count == 2_617)
            }
            #expect(try named() == [])
        }
        #expect(try named() == [])
    }

    @Test func whatIsDeletedIsOverwritten() async throws {
        let envelope = RandomBytes.make(5_000)
        try await withMailbox(in: folder) { server in
            let bob = try await MailClient(try server.url)
            #expect(try await bob.take([Self.capability]))
            #expect(try await bob.mail(bob.key, Self.capability, envelope) == nil)
            #expect(try Self.bytes(folder).contains(Array(envelope.prefix(64))))
            try await bob.acknowledge(try await bob.mails(1))
            try await eventually("deleted") { server.metrics.value("mail_delivered_total") == 1 }
        }
        #expect(try !Self.bytes(folder).contains(Array(envelope.prefix(64))))
        #expect(try !Self.bytes(folder).contains(Array(envelope.suffix(64))))
    }

    /// Everything in the folder of a mailbox.
    private static func bytes(_ folder: TemporaryFolder) throws -> [UInt8] {
        let data = folder.file("data")
        return try FileManager.default.contentsOfDirectory(atPath: data)
            .flatMap { Array(FileManager.default.contents(atPath: "\(data)/\($0)") ?? Data()) }
    }
}
