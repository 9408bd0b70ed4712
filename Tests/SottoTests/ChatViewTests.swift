import Foundation
import Identity
import Messenger
import Testing
import Vault

@testable import sotto

/// What a person in a chat sees of what is stored and of what happens.
@Suite struct ChatViewTests {
    private let terminal = TestTerminal(columns: 90, height: 40)
    private let contact: Contact
    private let view: ChatView

    init() throws {
        contact = Contact(peer: try Identity.generate().peerID, name: "bob")
        view = ChatView(contact, terminal: terminal)
    }

    private func message(
        _ text: String, _ direction: StoredMessage.Direction, _ state: StoredMessage.State, id: UInt8, day: UInt64 = 0
    ) -> StoredMessage {
        let time = 1_800_000_000_000 + day * 86_400_000
        return StoredMessage(
            contact: ContactRow(1), direction: direction, messageID: [UInt8](repeating: id, count: 16), text: text,
            sentAt: time, storedAt: time, state: state)
    }

    /// The rows with the time of day made `00:00` and dates made `DAY`.
    private var rows: [String] {
        terminal.screen.everything.map {
            $0.replacing(/^\d\d:\d\d/, with: "00:00").replacing(/[A-Z][a-z]{2} \d{4}-\d\d-\d\d/, with: "DAY")
        }
    }

    @Test func beginsWithWhatWasSaid() {
        var edited = message("better", .incoming, .seen, id: 1)
        edited.editedAt = 1
        edited.reactions = [StoredMessage.Reaction(isOwn: true, text: "👍")]
        var answer = message("yes", .outgoing, .read, id: 2, day: 1)
        answer.replyTo = edited.messageID
        var deleted = message("", .incoming, .seen, id: 3, day: 1)
        deleted.isDeleted = true
        let waiting = message("are you there?", .outgoing, .queued, id: 4, day: 1)
        var strange = message("", .incoming, .unread, id: 5, day: 1)
        strange.kind = 99
        let new = message("I am", .incoming, .unread, id: 6, day: 1)
        view.begin(with: [edited, answer, deleted, waiting, strange, new], isMore: true)
        #expect(
            Array(rows.prefix(11)) == [
                "00:00 · earlier messages: /history N, or  sotto history bob", "── DAY ──",
                "00:00 bob: better (edited)  [👍 you]", "── DAY ──", "00:00 you: (to \"better\") yes  (read)",
                "00:00 bob: (deleted)", "00:00 you: are you there?  (waiting)", "── new ──",
                "00:00 bob: (a message of a newer version of sotto: update to read it)", "00:00 bob: I am",
                "00:00 · End-to-end encrypted. Not verified yet: compare safety numbers with  /verify",
            ], "\(rows)")
        view.screen.close()
    }

    @Test func followsTheLastMessage() {
        let (first, second) = (MessageID.random(), MessageID.random())
        view.typed("one", first)
        #expect(view.show(.state(first, contact, .queued, reason: nil)) == nil)
        #expect(rows.contains("00:00 · bob is not connected: the message is stored, and waits here"))
        #expect(rows.contains("── bob · not connected · not verified · queued ──"))
        _ = view.show(.state(first, contact, .sent, reason: nil))
        #expect(rows.contains("00:00 · the server keeps the message until bob comes"))
        _ = view.show(.online(contact))
        view.typed("two", second)
        _ = view.show(.state(second, contact, .delivered, reason: nil))
        _ = view.show(.state(first, contact, .read, reason: nil))
        #expect(rows.contains { $0.hasSuffix("not verified · delivered ──") })
        _ = view.show(.state(second, contact, .read, reason: nil))
        #expect(rows.contains { $0.hasSuffix("not verified · read ──") })
        #expect(!rows.contains("00:00 · a waiting message was delivered"))
        view.screen.close()
    }

    @Test func tellsWhatHappensToMessages() {
        var known = message("hello", .incoming, .unread, id: 1)
        view.begin(with: [known], isMore: false)
        known.isDeleted = true
        known.text = ""
        _ = view.show(.changed(known, contact))
        #expect(rows.contains("00:00 · bob deleted a message: \"hello\""))
        _ = view.show(.typing(contact, true))
        #expect(rows.contains { $0.hasSuffix("· is writing ──") })
        _ = view.show(.offline(contact, reason: "left"))
        #expect(!rows.contains { $0.hasSuffix("· is writing ──") })
        _ = view.show(.notice(contact, .repairing))
        _ = view.show(.notice(nil, .storage(.diskFull)))
        #expect(rows.contains("00:00 · a message of bob could not be decrypted: it was asked for again"))
        #expect(rows.contains { $0.contains("not stored: the disk is full") })
        #expect(view.show(.server(.disconnected(reason: "elsewhere", retryIn: nil)))?.code == "server")
        view.screen.close()
    }
}
