import Identity
import Messenger
import PeerLab
import TestTools
import Testing
import Wire

@Suite struct FloodTests {
    /// A first packet of `peer` that `to` has not seen: dialed while nobody was there.
    private func firstPacket(_ peer: ScriptedPeer, to person: PeerID) async throws -> [UInt8] {
        try await peer.dial(person, greeting: peer.greeting())
        let packet = try await peer.sent.next("first packet") { $0 }
        try await peer.perform { $0.hangUp() }
        return packet
    }

    /// A stranger needs no more than a login to send; what it sends must not keep contacts out.
    @Test func strangerThatFloodsKeepsNoContactOut() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let bob = try await ScriptedPeer.loggedIn(lab)
            let mallory = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(bob.id, "bob", to: home, isIntroduced: true)
            let alice = try lab.person(home)
            let packet = try await firstPacket(mallory, to: alice.id)
            try await alice.online()
            let target = alice.id
            let flood = Task {
                while !Task.isCancelled {
                    try await mallory.relay(Array(repeating: packet, count: 100), to: target)
                }
            }
            defer { flood.cancel() }
            _ = try await mallory.nextRendezvous()
            try await bob.converse(with: alice.id, greeting: bob.greeting())
            try await bob.say("still here")
            #expect(try await alice.text() == "still here")
            flood.cancel()
            try await bob.vanish()
            try await mallory.vanish()
        }
    }
}
