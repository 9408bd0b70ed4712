import Messenger
import NIOConcurrencyHelpers
import Vault

/// What came while nobody looked, and what the user has seen since.
///
/// What is shown is marked as seen a moment later, many messages at once; ``settle()`` does the rest. A program that is killed in between shows them again.
final class Unread: Sendable {
    private struct State {
        /// Rows that were shown because they were unread: their events may come as well.
        var shown: Set<Int64> = []
        /// Up to which row of a contact's messages the user has seen them.
        var seen: [Contact: Int64] = [:]
    }

    private static let delay = Duration.milliseconds(100)
    private static let page = 256

    private let messenger: Messenger
    private let home: Home
    private let state = NIOLockedValueBox(State())

    init(_ messenger: Messenger, _ home: Home) {
        self.messenger = messenger
        self.home = home
    }

    /// Hands out what the user has not seen, of these contacts, each contact's messages in order.
    func show(of contacts: [Contact], _ body: (StoredMessage, Contact) -> Void) throws {
        for contact in contacts where contact.isWelcome {
            var last: Int64 = 0
            while true {
                let page = try home.unread(contact, after: last, first: Self.page)
                for message in page {
                    state.withLockedValue { _ = $0.shown.insert(message.row) }
                    body(message, contact)
                    saw(message, of: contact)
                }
                guard let end = page.last?.row, page.count == Self.page else { break }
                last = end
            }
        }
    }

    /// Whether the message of an event is to be shown: not when it was already.
    func isNew(_ message: StoredMessage) -> Bool {
        state.withLockedValue { $0.shown.remove(message.row) == nil }
    }

    /// The user has seen a message that came in.
    func saw(_ message: StoredMessage, of contact: Contact) {
        guard message.direction == .incoming else { return }
        state.withLockedValue { $0.seen[contact] = max($0.seen[contact] ?? 0, message.row) }
    }

    /// Marks what was seen, again and again, until the task is cancelled.
    func keepMarking() async {
        while (try? await Task.sleep(for: Self.delay)) != nil { await settle() }
    }

    /// Marks what was seen.
    func settle() async {
        let seen = state.withLockedValue { state in
            defer { state.seen = [:] }
            return state.seen
        }
        for (contact, row) in seen { await messenger.markSeen(contact, upTo: row) }
    }
}
