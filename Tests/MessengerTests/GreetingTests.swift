import Identity
import Testing

@testable import Messenger

@Suite struct GreetingTests {
    private let peer: PeerID

    init() throws { peer = try Identity.generate().peerID }

    @Test(arguments: [[], [UInt8](repeating: 9, count: 16)], ["", "bob", "Zoë 🦉"])
    func survivesTheWire(token: [UInt8], name: String) {
        let greeting = Greeting(peer: peer, token: token, name: name)
        #expect(Greeting(greeting.encode()) == greeting)
        #expect(greeting.encode().count <= 256)
    }

    @Test func cutsALongNameAtACharacter() {
        let greeting = Greeting(peer: peer, token: [], name: String(repeating: "🦉", count: 40))
        #expect(greeting.name.utf8.count <= Greeting.maximumNameSize)
        #expect(Greeting(greeting.encode()) == greeting)
    }

    @Test func ignoresWhatLaterVersionsAppend() {
        let greeting = Greeting(peer: peer, token: [], name: "bob")
        #expect(Greeting(greeting.encode() + [1, 2, 3]) == greeting)
    }

    @Test func refusesEveryTruncation() {
        let bytes = Greeting(peer: peer, token: [UInt8](repeating: 1, count: 16), name: "bob").encode()
        for length in 0..<bytes.count { #expect(Greeting(Array(bytes.prefix(length))) == nil) }
    }

    @Test func survivesEveryChangedByte() {
        let bytes = Greeting(peer: peer, token: [UInt8](repeating: 1, count: 16), name: "bob").encode()
        for index in bytes.indices {
            for value in [UInt8(0), 1, 15, 17, 0x7F, 0x80, 0xFF] {
                var changed = bytes
                changed[index] = value
                if let read = Greeting(changed) { #expect(read.encode().count <= 256) }
            }
        }
    }

    @Test func refusesANameThatIsNotUTF8() {
        var bytes = Greeting(peer: peer, token: [], name: "bob").encode()
        bytes[bytes.count - 1] = 0xFF
        #expect(Greeting(bytes) == nil)
    }
}
