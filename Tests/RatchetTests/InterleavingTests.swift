import Identity
import TestTools
import Testing

@testable import Ratchet

/// Any order of sending, losing, delaying, repeating and restarting.
@Suite struct InterleavingTests {
    @Test(arguments: UInt64(1)...40)
    func decryptsEverythingThatArrivesExactlyOnce(seed: UInt64) throws {
        var world = try World(seed: seed)
        for _ in 0..<250 { try world.step() }
        try world.deliverTheRest()
        #expect(world.received.count == Set(world.received).count)
        #expect(Set(world.received) == world.delivered)
        #expect(world.delivered.count + world.lost == world.sent)
        #expect(world.sent > 50)
        // And after all that they are still talking.
        let (alice, bob) = (world.people[0], world.people[1])
        if !alice.state.canSend { try alice.meet(bob) }
        #expect(try bob.read(alice.write("still here")) == "still here")
        #expect(try alice.read(bob.write("so am I")) == "so am I")
    }

    private struct Letter {
        let receiver: Int
        let text: String
        let ciphertext: [UInt8]
    }

    private struct World {
        let people: [Person]
        var generator: SeededGenerator
        var waiting: [Letter] = []
        /// Delivered letters, which the network repeats at will.
        var old: [Letter] = []
        var received: [String] = []
        var delivered: Set<String> = []
        var sent = 0
        var lost = 0
        /// New sessions that may still be started: with more than five, the oldest would go.
        var starts = 4

        init(seed: UInt64) throws {
            generator = SeededGenerator(seed: seed)
            let (alice, bob) = try Person.pair()
            people = [alice, bob]
            // Some begin at once on both sides, others on one.
            try alice.meet(bob)
            if generator.chance(50) {
                try bob.meet(alice)
                starts -= 1
            }
        }

        mutating func step() throws {
            let who = Int.random(in: 0..<2, using: &generator)
            switch Int.random(in: 0..<100, using: &generator) {
            case 0..<40: try send(from: who)
            case 40..<75: try deliverAny()
            case 75..<80 where !waiting.isEmpty:
                waiting.remove(at: Int.random(in: waiting.indices, using: &generator))
                lost += 1
            case 80..<90: repeatAny()
            case 90..<98: try people[who].restart()
            case 98..<100 where starts > 0:
                starts -= 1
                if generator.chance(50) { people[who].abandon() }
                try people[who].meet(people[1 - who])
            default: break
            }
        }

        private mutating func send(from who: Int) throws {
            guard people[who].state.canSend else { return }
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let text = "\(sent)"
                waiting.append(Letter(receiver: 1 - who, text: text, ciphertext: try people[who].write(text)))
                sent += 1
            }
        }

        private mutating func deliverAny() throws {
            guard !waiting.isEmpty else { return }
            // Often in order, often not.
            let index = generator.chance(50) ? 0 : Int.random(in: waiting.indices, using: &generator)
            let letter = waiting.remove(at: index)
            received.append(try people[letter.receiver].read(letter.ciphertext))
            #expect(received.last == letter.text)
            delivered.insert(letter.text)
            old.append(letter)
            if generator.chance(20) { refuse(letter) }
        }

        private mutating func repeatAny() {
            if let letter = old.randomElement(using: &generator) { refuse(letter) }
        }

        private func refuse(_ letter: Letter) {
            let refusal = people[letter.receiver].refusal(of: letter.ciphertext)
            #expect(refusal == .alreadyReceived || refusal == .cannotDecrypt || refusal == .unknownPrekey)
        }

        mutating func deliverTheRest() throws {
            while !waiting.isEmpty { try deliverAny() }
            for letter in old { refuse(letter) }
        }
    }
}
