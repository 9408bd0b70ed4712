import Identity
import NIOCore
import Paths
import PeerLab
import SecureTransport
import SignalingClient
import TestTools
import Testing
import Wire

@testable import Peering

@Suite struct DialTests {
    /// Nothing ends a dial but an answer.
    private var patient: PeerTiming {
        var timing = PeerTiming()
        timing.handshake = .seconds(3600)
        return timing
    }

    /// Both dial in the same moment: one session is left on both sides, and what was written arrives.
    @Test(arguments: 0..<4)
    func glareLeavesOneSession(_ round: Int) async throws {
        try await Lab.run { lab in
            let alice = try await TestNode.online(lab, policy: .relay)
            let bob = try await TestNode.online(lab, contacts: [alice.id], policy: .relay)
            alice.accept(bob.id)
            async let there: Void = alice.connect(to: bob.id)
            async let back: Void = bob.connect(to: alice.id)
            _ = try await (there, back)
            try await alice.opened()
            try await bob.opened()
            try await alice.write("from alice", to: bob.id)
            try await bob.write("from bob", to: alice.id)
            try await bob.read("from alice")
            try await alice.read("from bob")
            // One is the dialer, the other is not, and it is the same session.
            let tags = try await alice.perform { node in
                node.session(with: bob.id).map { [$0.transport.tag, $0.transport.remoteTag] }
            }
            let mirrored = try await bob.perform { node in
                node.session(with: alice.id).map { [$0.transport.remoteTag, $0.transport.tag] }
            }
            #expect(tags != nil && tags == mirrored)
            for node in [alice, bob] {
                #expect(node.openings == 1)
                #expect(!node.log.all.contains { if case .dialFailed = $0 { true } else { false } })
                try await node.stop()
            }
        }
    }

    /// Who asked for one cipher gets it, whoever dials: two that find each other online both do.
    @Test(arguments: [true, false])
    func theCipherOfOneSideIsUsedWhoeverDials(aliceDials: Bool) async throws {
        try await Lab.run { lab in
            let alice = try await TestNode.online(lab, policy: .relay, cipher: .chaCha20Poly1305)
            let bob = try await TestNode.online(lab, contacts: [alice.id], policy: .relay)
            alice.accept(bob.id)
            if aliceDials { try await alice.connect(to: bob.id) } else { try await bob.connect(to: alice.id) }
            try await alice.opened()
            try await bob.opened()
            for (node, other) in [(alice, bob), (bob, alice)] {
                let cipher = try await node.perform { $0.session(with: other.id)?.transport.cipher }
                #expect(cipher == .chaCha20Poly1305)
            }
            // After both have been asked: the session of one ends with the other.
            for node in [alice, bob] { try await node.stop() }
        }
    }

    @Test func absentPeerIsToldAtOnce() async throws {
        try await Lab.run { lab in
            let alice = try await TestNode.online(lab, timing: patient)
            try await alice.connect(to: try Identity.generate().peerID)
            #expect(try await alice.dialFailed() == .notConnected)
            try await alice.stop()
        }
    }

    @Test func strangerIsRefusedAtOnce() async throws {
        try await Lab.run { lab in
            let bob = try await TestNode.online(lab)
            let alice = try await TestNode.online(lab, contacts: [bob.id], timing: patient)
            try await alice.connect(to: bob.id)
            #expect(try await alice.dialFailed() == .refused)
            #expect(alice.openings == 0 && bob.openings == 0)
            try await alice.stop()
            try await bob.stop()
        }
    }

    @Test func silentPeerIsGivenUp() async throws {
        try await Lab.run { lab in
            var timing = PeerTiming()
            timing.handshake = .milliseconds(300)
            let silent = try await ScriptedPeer.loggedIn(lab)
            let alice = try await TestNode.online(lab, contacts: [silent.id], timing: timing)
            try await alice.connect(to: silent.id)
            #expect(try await alice.dialFailed() == .noAnswer)
            #expect(try await alice.agents(silent.id) == 0)
            try await alice.stop()
            try await silent.vanish()
        }
    }

    /// A dial of the peer that never finishes must not swallow ours.
    @Test func ownDialFollowsAnUnfinishedOneOfThePeer() async throws {
        try await Lab.run { lab in
            var timing = PeerTiming()
            timing.handshake = .milliseconds(1_500)
            let peer = try await ScriptedPeer.loggedIn(lab)
            let alice = try await TestNode.online(lab, contacts: [peer.id], policy: .relay, timing: timing)
            try await peer.dial(alice.id, greeting: [])
            _ = try await peer.sent.next("first packet") { $0 }
            try await peer.perform { $0.hangUp() }
            _ = try await peer.packets.next("answer") { $0 }
            try await peer.answer(greeting: [])
            try await alice.connect(to: peer.id)
            try await alice.opened()
            try await alice.stop()
            try await peer.vanish()
        }
    }

    /// The peer dials and vanishes: who wants to reach it is told at once.
    @Test func absenceIsToldBehindAnUnfinishedDialToo() async throws {
        try await Lab.run { lab in
            let peer = try await ScriptedPeer.loggedIn(lab)
            let alice = try await TestNode.online(lab, contacts: [peer.id], policy: .relay, timing: patient)
            try await peer.dial(alice.id, greeting: [])
            _ = try await peer.packets.next("answer") { $0 }
            try await peer.vanish()
            try await alice.connect(to: peer.id)
            // The repeats of alice's answer come back.
            #expect(try await alice.dialFailed() == .notConnected)
            try await alice.stop()
        }
    }

    /// A server that says of somebody's packets that they are another's achieves nothing.
    @Test func packetsUnderAnotherNameAreWorthless() async throws {
        try await Lab.run { lab in
            let mallory = try await ScriptedPeer.loggedIn(lab)
            let friend = try Identity.generate().peerID
            let alice = try await TestNode.online(lab, contacts: [friend])
            try await mallory.dial(alice.id, greeting: [])
            let packet = try await mallory.sent.next("first packet") { $0 }
            // The server lies about the sender of a dial, of rubbish, and of a signal.
            let payload = try mallory.seal(
                .restart, connectionID: [UInt8](repeating: 1, count: 16), time: wallClock(), to: alice.id)
            try await alice.perform { node in
                let rubbish: [[UInt8]] = [
                    packet, [0x40] + [UInt8](repeating: 1, count: 50), [0x80], [1], packet.dropLast(300),
                ]
                for bytes in rubbish {
                    node.handle(
                        .relay(from: friend.key, segmentSize: bytes.count, packets: ByteBuffer(bytes: bytes)))
                }
                node.handle(.relay(from: friend.key, segmentSize: 0, packets: ByteBuffer(bytes: packet)))
                node.handle(.relay(from: friend.key, segmentSize: 7, packets: ByteBuffer(bytes: packet)))
                node.handle(.signal(from: friend.key, payload: payload))
                node.handle(.signal(from: friend.key, payload: [1, 2, 3]))
                node.handle(.unreachable(friend.key, .notConnected))
            }
            #expect(try await alice.perform { $0.knownLink(friend) == nil })
            #expect(alice.openings == 0)
            try await alice.stop()
            try await mallory.vanish()
        }
    }

    /// Nor does it end a session by packets in its name, or by saying that the peer is gone.
    @Test func sessionSurvivesAServerThatLies() async throws {
        try await Lab.run { lab in
            let alice = try await TestNode.online(lab, policy: .relay)
            let bob = try await TestNode.online(lab, contacts: [alice.id], policy: .relay)
            alice.accept(bob.id)
            try await alice.connect(to: bob.id)
            try await alice.opened()
            try await bob.opened()
            let other = try await ScriptedPeer.loggedIn(lab)
            try await other.dial(alice.id, greeting: [])
            let dial = try await other.sent.next("first packet") { $0 }
            try await alice.perform { node in
                let tag = node.session(with: bob.id)?.transport.tag.bytes ?? []
                for first: UInt8 in [0x40, 0x80, 0xE0] {
                    let forged = [first] + tag + [UInt8](repeating: 3, count: 60)
                    node.handle(.relay(from: bob.id.key, segmentSize: 100, packets: ByteBuffer(bytes: forged)))
                }
                node.handle(.relay(from: bob.id.key, segmentSize: dial.count, packets: ByteBuffer(bytes: dial)))
                node.handle(.unreachable(bob.id.key, .notConnected))
            }
            try await bob.write("still", to: alice.id)
            try await alice.read("still")
            try await alice.write("here", to: bob.id)
            try await bob.read("here")
            #expect(alice.openings == 1 && bob.openings == 1)
            for node in [alice, bob] { try await node.stop() }
            try await other.vanish()
        }
    }

    /// Strangers can fill the queue of SIGNAL frames at the server: neither a dial nor a relayed session suffers from what the server says then.
    @Test func aFullQueueOfSignalsIsNoAbsence() async throws {
        try await Lab.run { lab in
            let alice = try await TestNode.online(lab, policy: .relay)
            let bob = try await TestNode.online(lab, contacts: [alice.id], policy: .relay)
            alice.accept(bob.id)
            try await alice.connect(to: bob.id)
            try await alice.perform { $0.handle(.unreachable(bob.id.key, .overloaded)) }
            try await alice.opened()
            try await bob.opened()
            let isRelayed = try await alice.perform { node in
                node.handle(.unreachable(bob.id.key, .overloaded))
                return node.links[bob.id.key]?.isReachableByRelay
            }
            #expect(isRelayed == true)
            #expect(!alice.log.all.contains { if case .dialFailed = $0 { true } else { false } })
            for node in [alice, bob] { try await node.stop() }
        }
    }
}
