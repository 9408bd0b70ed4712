import Testing
import Vault

@testable import sotto

@Suite struct MessageMemoryTests {
    private func message(_ text: String, id: UInt8 = 1, _ direction: StoredMessage.Direction = .incoming)
        -> StoredMessage
    {
        StoredMessage(
            contact: ContactRow(1), direction: direction, messageID: [UInt8](repeating: id, count: 16), text: text,
            sentAt: 0, storedAt: 0, state: direction == .incoming ? .seen : .delivered)
    }

    @Test func tellsWhatHasHappened() {
        var memory = MessageMemory()
        var told = message("hello")
        memory.note(told)
        #expect(memory.change(told, with: "bob") == nil)
        (told.text, told.editedAt) = ("hello!", 5)
        #expect(memory.change(told, with: "bob") == "bob edited a message: \"hello!\"")
        told.reactions = [StoredMessage.Reaction(isOwn: true, text: "👍")]
        #expect(memory.change(told, with: "bob") == "you reacted 👍 to \"hello!\"")
        told.reactions.append(StoredMessage.Reaction(isOwn: false, text: "x\u{1B}"))
        #expect(memory.change(told, with: "bob") == "bob reacted x to \"hello!\"")
        told.reactions.removeFirst()
        #expect(memory.change(told, with: "bob") == "you took a reaction back: \"hello!\"")
        (told.text, told.isDeleted, told.reactions) = ("", true, [])
        #expect(memory.change(told, with: "bob") == "bob deleted a message: \"hello!\"")
        #expect(memory.change(told, with: "bob") == nil)
    }

    @Test func tellsWhatItCanOfWhatItHasNotSeen() {
        var memory = MessageMemory()
        var unseen = message("text", id: 2, .outgoing)
        unseen.editedAt = 5
        #expect(memory.change(unseen, with: "bob") == "you edited a message: \"text\"")
        var reacted = message("text", id: 3, .outgoing)
        reacted.reactions = [StoredMessage.Reaction(isOwn: false, text: "ok")]
        #expect(memory.change(reacted, with: "bob") == "bob reacted ok to \"text\"")
        #expect(memory.text(of: reacted.messageID, in: ContactRow(1)) == "text")
        #expect(memory.text(of: reacted.messageID, in: ContactRow(2)) == nil)
    }

    @Test func forgetsTheOldest() {
        var memory = MessageMemory()
        for number in 0...(MessageMemory.limit) {
            var next = message("\(number)")
            next.messageID = (0..<16).map { UInt8(truncatingIfNeeded: number >> ($0 % 2 * 8)) }
            memory.note(next)
        }
        #expect(memory.text(of: [UInt8](repeating: 0, count: 16), in: ContactRow(1)) == nil)
    }
}
