import Testing

@testable import Vault

/// Edits that overtake the message that they change: something stands for it until it comes.
@Suite struct ProvisionalTests {
    private let home: TestHome
    private let vault: Vault
    private let bob: ContactRow

    init() throws {
        home = try TestHome()
        let vault = try home.create()
        self.vault = vault
        let contact = try StoredContact.sample()
        bob = try vault.writeAndWait { try $0.insertContact(contact) }
    }

    /// A message as its sender wrote it.
    private func original(_ number: Int, _ text: String) -> StoredMessage {
        var message = StoredMessage.sample(bob, number, text, .incoming)
        message.sequence = UInt64(number)
        return message
    }

    /// What stands for it when its edit with this sequence number has come.
    private func replacement(_ number: Int, _ text: String, editedAs sequence: UInt64) -> StoredMessage {
        var message = original(number, text)
        message.sentAt = 5_000 + sequence
        message.sequence = sequence
        message.editSequence = sequence
        message.editedAt = 5_000 + sequence
        message.isProvisional = true
        return message
    }

    private func append(_ messages: StoredMessage...) throws -> [AppendedMessage] {
        try vault.writeAndWait { tx in try messages.map { try tx.appendMessage($0) } }
    }

    private func stored(_ number: Int) throws -> StoredMessage {
        try #require(try vault.read { try $0.message(bob, .incoming, id: id(number)) })
    }

    @Test func theMessageBringsWhatOnlyItKnows() throws {
        _ = try append(replacement(3, "edited", editedAs: 10))
        #expect(try stored(3).isProvisional)
        _ = try vault.writeAndWait { try $0.react(bob, id: id(3), isOwn: true, "👍") }
        let seen = try vault.writeAndWait { try $0.markSeen(from: bob, now: 7) }
        #expect(seen.map(\.expiresAt) == [nil])
        var message = original(3, "first")
        message.replyTo = id(1)
        message.expiresAfter = 60
        let result = try append(message)
        let whole = try stored(3)
        #expect(result == [.completed(whole)])
        #expect(result[0].newRow == nil)
        #expect(!whole.isProvisional && whole.text == "edited" && whole.editSequence == 10 && whole.editedAt == 5_010)
        #expect(whole.replyTo == id(1) && whole.sequence == 3 && whole.sentAt == message.sentAt)
        #expect(whole.state == .seen && whole.reactions == [.init(isOwn: true, text: "👍")])
        // It was seen already: its time begins.
        #expect(whole.expiresAfter == 60 && whole.expiresAt == message.storedAt + 60_000)
        // Once.
        #expect(try append(message) == [.known])
        #expect(try stored(3) == whole)
        #expect(try vault.search("edited", limit: 5) == [whole])
    }

    @Test func itsTimeBeginsWhenItIsSeenLater() throws {
        var message = original(3, "first")
        message.expiresAfter = 60
        _ = try append(replacement(3, "edited", editedAs: 10), message)
        #expect(try stored(3).expiresAt == nil)
        try vault.writeAndWait { _ = try $0.markSeen(from: bob, now: 1_000) }
        #expect(try stored(3).expiresAt == 61_000)
    }

    @Test func itComesToStandWhereItWasWritten() throws {
        _ = try append(original(1, "1"), original(4, "4"), original(5, "5"), replacement(3, "3", editedAs: 10))
        func texts() throws -> [String] { try vault.read { try $0.messages(with: bob, last: 9) }.map(\.text) }
        #expect(try texts() == ["1", "4", "5", "3"])
        _ = try append(original(3, "first"))
        #expect(try texts() == ["1", "3", "4", "5"])
        // Never further down, below what the user has answered.
        _ = try append(replacement(7, "7", editedAs: 20), .sample(bob, 100, "answer"), original(7, "first"))
        #expect(try texts() == ["1", "3", "4", "5", "7", "answer"])
        _ = try append(original(2, "2"), original(6, "6"))
        #expect(try texts() == ["1", "2", "3", "4", "5", "6", "7", "answer"])
    }

    @Test func moreEditsMayOvertakeIt() throws {
        _ = try append(replacement(3, "second", editedAs: 10))
        try vault.writeAndWait { [bob] (tx) throws in
            #expect(
                try tx.editMessage(bob, .incoming, id: id(3), text: "third", at: 1, sequence: 11)?.isProvisional == true
            )
            #expect(try tx.editMessage(bob, .incoming, id: id(3), text: "old", at: 1, sequence: 9) == nil)
        }
        #expect(try append(replacement(3, "old", editedAs: 9)) == [.known])
        _ = try append(original(3, "first"))
        #expect(try stored(3).text == "third")
    }

    @Test func aDeletedOneStaysDeleted() throws {
        var deleted = replacement(3, "", editedAs: 10)
        deleted.isDeleted = true
        deleted.state = .seen
        var message = original(3, "regretted")
        message.replyTo = id(1)
        message.payload = [1]
        _ = try append(deleted, message)
        let left = try stored(3)
        #expect(left.isDeleted && !left.isProvisional && left.sequence == 3)
        #expect(left.text == "" && left.payload == [] && left.replyTo == nil)
        #expect(try vault.search("regretted", limit: 5).isEmpty)
    }

    @Test func anEditThatDoesNotFitDoesNotReplaceTheMessage() throws {
        // Of an earlier time than the message, or of something that is no text.
        var picture = original(4, "")
        picture.kind = 99
        picture.payload = [1, 2]
        _ = try append(replacement(3, "forged", editedAs: 2), original(3, "real"))
        _ = try append(replacement(4, "forged", editedAs: 10), picture)
        let (text, other) = (try stored(3), try stored(4))
        #expect(text.text == "real" && text.editSequence == nil && text.editedAt == nil)
        #expect(other.kind == 99 && other.payload == [1, 2] && other.text == "" && other.editSequence == nil)
        #expect(try vault.search("forged", limit: 5).isEmpty)
        #expect(try vault.search("real", limit: 5) == [text])
    }
}
