import Messenger
import PeerLab
import TestTools
import Testing

@Suite struct PressureTests {
    /// Who does not read its events makes the sender wait, and gets everything when it reads.
    @Test func frontEndThatDoesNotReadStallsTheSender() async throws {
        try await Lab.run { lab in
            let homes = (try lab.home("alice"), try lab.home("bob"))
            try lab.introduce(homes.0, homes.1)
            let alice = try lab.person(homes.0)
            let bob = try lab.person(homes.1, reads: false)
            try await alice.online()
            try await bob.messenger.start()
            let count = 5_000
            let padding = String(repeating: ".", count: 3_000)
            let contact = try await alice.contact("bob")
            for number in 0..<count { try await alice.messenger.send("\(number) \(padding)", to: contact) }
            // 15 MB do not fit into bob's queue and the windows.
            try await alice.log.until("some arrive") { $0.contains(where: \.isDelivered) ? () : nil }
            try await settle { await alice.messenger.undelivered(to: contact) }
            #expect(await alice.messenger.undelivered(to: contact) > count / 2)
            bob.beginReading()
            try await eventually("all arrive", within: 240) { await alice.messenger.undelivered(to: contact) == 0 }
            try await eventually("all are read") { bob.log.count >= count && bob.texts.count == count }
            #expect(bob.texts.map { $0.prefix { $0 != " " } } == (0..<count).map { "\($0)" })
        }
    }

    /// Waits until a number does not change any more.
    private func settle(_ value: () async -> Int) async throws {
        var last = await value()
        var steady = 0
        try await eventually("steady", within: 30) {
            let now = await value()
            steady = now == last ? steady + 1 : 0
            last = now
            return steady >= 60
        }
    }

    @Test func outboxIsBounded() async throws {
        try await Lab.run { lab in
            let homes = (try lab.home("alice"), try lab.home("bob"))
            try lab.introduce(homes.0, homes.1)
            let alice = try lab.person(homes.0)
            let contact = try await alice.contact("bob")
            for number in 0..<10_000 { try await alice.messenger.send("\(number)", to: contact) }
            await #expect(throws: SendError.queueFull) { try await alice.messenger.send("more", to: contact) }
            await #expect(throws: SendError.empty) { try await alice.messenger.send("", to: contact) }
            let long = String(repeating: "x", count: Messenger.maximumTextSize + 1)
            await #expect(throws: SendError.self) { try await alice.messenger.send(long, to: contact) }
        }
    }
}
