import Foundation
import Identity
import TestTools
import Testing
import Wire

@testable import SignalingServer

/// The keys with which others may begin to talk to somebody.
@Suite struct MailboxPrekeyTests {
    private static let capability = [UInt8](repeating: 0xCA, count: 16)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("mailbox") }

    @Test func handsOutEachOneTimeKeyOnceAlsoAcrossARestart() async throws {
        let identity = try Identity.generate()
        let publication = Publication(peer: identity.peerID.key, batch: 1, signed: 9, oneTime: [1, 2, 3, 4])
        try await withMailbox(in: folder) { server in
            let bob = try await MailClient(try server.url, identity)
            #expect(try await bob.take([Self.capability]))
            try await bob.publish(publication)
            let alice = try await MailClient(try server.url)
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(1))
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(2))
        }
        try await withMailbox(in: folder) { server in
            let bob = try await MailClient(try server.url, identity)
            #expect(try bob.info.oneTimeKeysLeft == 2)
            let alice = try await MailClient(try server.url)
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(3))
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(4))
            // Then there is the one for all that is left.
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(nil))
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(nil))
        }
    }

    @Test func strangersGetNoOneTimeKeys() async throws {
        try await withMailbox(in: folder) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await alice.bundle(bob.key) == [])
            #expect(try await bob.take([Self.capability]))
            #expect(try await alice.bundle(bob.key, Self.capability) == [])
            let publication = Publication(peer: bob.key, batch: 1, signed: 9, oneTime: [1])
            try await bob.publish(publication)
            #expect(try await alice.bundle(bob.key) == publication.bundle(nil))
            #expect(try await alice.bundle(bob.key, [UInt8](repeating: 1, count: 16)) == publication.bundle(nil))
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(1))
            #expect(try await bob.take([Self.capability], .remove))
            try await bob.publish(Publication(peer: bob.key, batch: 2, signed: 9, oneTime: [2]))
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(nil))
        }
    }

    @Test func theSameBatchLeavesOneTimeKeysAloneAndAnotherReplacesThem() async throws {
        try await withMailbox(in: folder) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await bob.take([Self.capability]))
            var publication = Publication(peer: bob.key, batch: 1, signed: 9, oneTime: [1, 2, 3])
            try await bob.publish(publication)
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(1))
            publication.signed = 10
            try await bob.publish(publication)
            #expect(try await alice.bundle(bob.key, Self.capability) == publication.bundle(2))
            let other = Publication(peer: bob.key, batch: 2, signed: 11, oneTime: [7])
            try await bob.publish(other)
            #expect(try await alice.bundle(bob.key, Self.capability) == other.bundle(7))
            #expect(try await alice.bundle(bob.key, Self.capability) == other.bundle(nil))
        }
    }

    @Test func aLostStoreHasAnotherGeneration() async throws {
        let identity = try Identity.generate()
        var generations: [[UInt8]] = []
        for round in 0..<3 {
            try await withMailbox(in: folder) { server in
                let first = try await MailClient(try server.url, identity)
                // Who is not known is told another one, so that who is forgotten registers again.
                if round != 1 { generations.append(try first.info.generation) }
                #expect(try await first.take([]))
                generations.append(try await MailClient(try server.url, identity).info.generation)
            }
            if round == 1 { try FileManager.default.removeItem(atPath: folder.file("data")) }
        }
        #expect(generations.count == 5 && generations.allSatisfy { $0.count == 16 })
        #expect(generations[1] == generations[2])
        #expect(Set(generations).count == 4)
    }

    private static func malformed(_ peer: PeerKey, _ other: PeerKey) -> [[UInt8]] {
        let publication = Publication(peer: peer, batch: 1, signed: 2, oneTime: [3])
        let good = [0x16, 0, 0, 0, 1] + publication.bytes
        var newer = good
        newer[5] = 2
        var foreign = good
        foreign.replaceSubrange(6..<38, with: other.bytes)
        let many = Publication(peer: peer, batch: 1, signed: 2, oneTime: (0..<44).map { $0 })
        return [
            newer, foreign, good.dropLast(), good + [0], [0x16, 0, 0, 0, 1] + many.bytes, [0x16, 0, 0, 0, 1],
            // Of other frames.
            [0x11], [0x11, 0, 0, 0, 1] + peer.bytes + [UInt8](repeating: 0, count: 16), [0x15, 0, 0],
            [0x15, 0, 2] + [UInt8](repeating: 0, count: 8), [0x17, 0, 0, 0, 1] + peer.bytes,
            [0x19, 0, 0, 0, 1, 4, 0, 0],
            [0x19, 0, 0, 0, 1, 1, 0, 2] + peer.bytes.dropLast(),
            [0x1A, 0, 0, 0, 1] + peer.bytes + [UInt8](repeating: 1, count: 16) + [1],
            [0x1A, 0, 0, 0, 1] + peer.bytes + [UInt8](repeating: 0, count: 16 + 2_049),
            // Of those that only servers send.
            [0x12, 0, 0, 0, 1], [0x1B, 0, 0, 0, 1], [0x14] + [UInt8](repeating: 0, count: 17),
        ]
    }

    @Test func malformedFramesEndTheConnection() async throws {
        try await withMailbox(in: folder) { server in
            let other = try Identity.generate().peerID.key
            let identity = try Identity.generate()
            for bytes in Self.malformed(identity.peerID.key, other) {
                let (raw, _) = try await RawConnection.loggedIn(server, identity: identity)
                try await raw.send(2, bytes)
                while case let frame = try await raw.readFrame() {
                    guard let code = frame.closeCode else { continue }
                    #expect(code == SignalingCloseCode.protocolError.rawValue, "\(bytes.prefix(50))")
                    break
                }
            }
        }
    }

    @Test func frameTypesOfLaterVersionsAreIgnored() async throws {
        try await withMailbox(in: folder) { server in
            let (raw, peer) = try await RawConnection.loggedIn(server)
            for type in UInt8(0x1C)...0x1F { try await raw.send(2, [type, 1, 2, 3]) }
            try await raw.send(.signal(peer: peer, payload: [1]))
            while try await raw.readFrame().signaling != .signal(peer: peer, payload: [1]) {}
            #expect(server.metrics.value("unknown_frames_total") == 4)
        }
    }
}
