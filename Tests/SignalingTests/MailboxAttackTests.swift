import Foundation
import Identity
import TestTools
import Testing
import Wire

@testable import SignalingServer

/// Clients who want what is not theirs, or too much of it.
@Suite struct MailboxAttackTests {
    private static let capability = [UInt8](repeating: 0xCA, count: 16)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("mailbox") }

    @Test func nobodyDeletesOthersMail() async throws {
        try await withMailbox(in: folder) { server in
            let (bob, mallory) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await bob.take([Self.capability]))
            #expect(try await mallory.take([Self.capability]))
            for number in UInt8(0)..<5 { #expect(try await mallory.mail(bob.key, Self.capability, [number]) == nil) }
            let mails = try await bob.mails(5)
            // Also while mail of one's own was pushed.
            #expect(try await mallory.mail(mallory.key, Self.capability, [9]) == nil)
            let own = try await mallory.mails(1)
            try await mallory.acknowledge(mails)
            #expect(try await mallory.client.send(MailFrame.acknowledge(mails: (0..<512).map { UInt64($0) })))
            try await eventually("its own is deleted") { server.metrics.value("mail_delivered_total") == 1 }
            #expect(own[0].id > mails[4].id)
            let again = try await MailClient(try server.url, bob.identity)
            #expect(try again.info.waiting == 5)
            #expect(try await again.mails(5) == mails)
        }
    }

    @Test func theStoreItselfDeletesNobodyElsesMail() async throws {
        let mailbox = try SQLiteMailbox(MailboxConfiguration(directory: folder.file("data")), logger: quiet)
        defer { mailbox.close() }
        let (bob, mallory) = (try Identity.generate().peerID.key, try Identity.generate().peerID.key)
        let digest = try Capability.digest(of: Self.capability)
        for peer in [bob, mallory] { #expect(try await mailbox.change(.add([digest]), of: peer)) }
        guard
            case .stored(let id) = try await mailbox.store(
                NewMail(recipient: bob, capability: digest, envelope: [1]))
        else { throw Unmet(description: "not stored") }
        #expect(try await mailbox.delete([id], of: mallory) == 0)
        #expect(try await mailbox.fetch(for: mallory, after: 0, items: 9, bytes: 99).mails == [])
        #expect(try await mailbox.delete([id], of: bob) == 1)
    }

    @Test func framesThatAreTooLargeEndTheConnectionBeforeAndAfterTheLogin() async throws {
        try await withMailbox(in: folder) { server in
            let (before, _) = try await RawConnection.challenged(server)
            try await before.send(2, [UInt8](repeating: 0x11, count: SignalingFrame.maximumFrameBeforeLogin + 1))
            #expect(try await Self.closeCode(before) == SignalingCloseCode.frameTooLarge.rawValue)
            let (after, peer) = try await RawConnection.loggedIn(server)
            let mail = MailFrame.mail(
                request: 1, recipient: peer, capability: Self.capability,
                envelope: [UInt8](repeating: 1, count: MailFrame.maximumEnvelope))
            try await after.send(2, try mail.encode())
            try await eventually("it is refused") { server.metrics.value("mail_refused_total") == 1 }
            try await after.send(2, try mail.encode() + [0])
            #expect(try await Self.closeCode(after) == SignalingCloseCode.frameTooLarge.rawValue)
            // In fragments it is not smaller.
            let (fragments, _) = try await RawConnection.loggedIn(server)
            let half = [UInt8](repeating: 0x11, count: 40_000)
            try await fragments.send(2, half, fin: false)
            try await fragments.send(0, half)
            #expect(try await Self.closeCode(fragments) == SignalingCloseCode.frameTooLarge.rawValue)
        }
    }

    private static func closeCode(_ raw: RawConnection) async throws -> UInt16 {
        while true {
            if let code = try await raw.readFrame().closeCode { return code }
        }
    }

    @Test func whoGuessesCapabilitiesLearnsAndTakesNothing() async throws {
        try await withMailbox(in: folder, limits { $0.mails = RateLimit(rate: 0.001, burst: 200) }) { server in
            let (bob, mallory) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await bob.take([Self.capability]))
            let publication = Publication(peer: bob.key, batch: 1, signed: 2, oneTime: [3])
            try await bob.publish(publication)
            // The digest is no capability either, should it become known.
            let digest = try Capability.digest(of: Self.capability).bytes
            let guesses = [digest, MailFrame.noCapability] + (0..<198).map { _ in RandomBytes.make(16) }
            for guess in guesses {
                #expect(try await mallory.mail(bob.key, guess, [1]) == .capabilityRefused)
                if guess != guesses[1] { #expect(try await mallory.bundle(bob.key, guess) == publication.bundle(nil)) }
            }
            // After some, they are not even looked at.
            #expect(try await mallory.mail(bob.key, RandomBytes.make(16), [1]) == .tooFast)
            #expect(bob.mails.isEmpty && server.metrics.value("mail_stored_total") == 0)
            #expect(try await mallory.bundle(bob.key, Self.capability) == publication.bundle(3))
        }
    }

    @Test func whoFetchesTheKeysOfManyIsStopped() async throws {
        let few = RateLimit(rate: 0.001, burst: 30)
        try await withMailbox(in: folder, limits { $0.prekeyFetches = few }) { server in
            let (bob, mallory) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await bob.take([Self.capability]))
            let publication = Publication(peer: bob.key, batch: 1, signed: 2, oneTime: Array(0..<40))
            try await bob.publish(publication)
            var requests: [UInt32] = []
            for _ in 0..<100 {
                requests.append(
                    try await mallory.ask {
                        .fetchPrekeys(request: $0, peer: bob.key, capability: Self.capability)
                    })
            }
            var bundles: [[UInt8]] = []
            for request in requests {
                if case .prekeys(_, let bundle) = try await mallory.answer(request) { bundles.append(bundle) }
            }
            #expect(bundles == (0..<30).map { publication.bundle($0) })
            #expect(try await MailClient(try server.url, bob.identity).info.oneTimeKeysLeft == 10)
        }
    }

    @Test func oneLoginReachesNoMoreRecipientsThanItsRateAllows() async throws {
        let few = RateLimit(rate: 0.001, burst: 25)
        try await withMailbox(
            in: folder,
            limits {
                $0.mails = few
                $0.requestsByLogin = few
            }
        ) { server in
            let mallory = try await MailClient(try server.url)
            // Peers who are not there cost as much as those who are.
            let recipients = try (0..<60).map { _ in try Identity.generate().peerID.key }
            var (mails, requests) = ([UInt32](), [UInt32]())
            for recipient in recipients {
                mails.append(
                    try await mallory.ask {
                        .mail(request: $0, recipient: recipient, capability: Self.capability, envelope: [1])
                    })
                requests.append(
                    try await mallory.ask { .requestMail(request: $0, recipient: recipient, envelope: [1]) })
            }
            for asked in [mails, requests] {
                var answers: [MailRefusal: Int] = [:]
                for request in asked {
                    guard case .refused(_, let reason, _) = try await mallory.answer(request) else { continue }
                    answers[reason, default: 0] += 1
                }
                #expect(answers == [.unknownRecipient: 25, .tooFast: 35])
            }
            // Nothing is kept of who does not exist.
            #expect(server.metrics.value("mail_stored_total") == 0)
        }
    }

    @Test func aFloodOfMailLeavesOthersTheirTurn() async throws {
        try await withMailbox(in: folder, limits { $0.outstanding = MailQuota(bytes: 1 << 20, items: 20) }) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await bob.take([Self.capability]))
            let (flood, _) = try await RawConnection.loggedIn(server)
            let mail = MailFrame.mail(
                request: 1, recipient: bob.key, capability: [UInt8](repeating: 1, count: 16), envelope: [1])
            let bytes = RawConnection.frame(2, try mail.encode())
            let task = Task { try await flood.send((0..<5_000).flatMap { _ in bytes }) }
            for number in UInt8(0)..<20 { #expect(try await alice.mail(bob.key, Self.capability, [number]) == nil) }
            #expect(try await bob.mails(20).map(\.envelope) == (0..<20).map { [$0] })
            try await task.value
            try await eventually("every one was answered") { server.metrics.value("mail_refused_total") == 5_000 }
        }
    }
}
