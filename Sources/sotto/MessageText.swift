import Messenger
import Vault
import Wire

/// Stored messages as people read them. What comes out of here still goes through `DisplayText` before a terminal sees it.
enum MessageText {
    /// What stands behind the name: the text, or what there is instead.
    static func body(_ message: StoredMessage) -> String {
        if message.isDeleted { return "(deleted)" }
        guard message.kind == StoredMessage.textKind else {
            return "(a message of a newer version of sotto: update to read it)"
        }
        return message.text + (message.editedAt == nil ? "" : " (edited)")
    }

    /// A short piece of a text on one line.
    static func excerpt(_ text: String, limit: Int = 40) -> String {
        let line = DisplayText.harmless(text)
        return line.count <= limit ? line : line.prefix(limit - 1) + "…"
    }

    /// The reactions to a message: `[👍 you, ❤ bob]`; `nil` when there are none.
    static func reactions(_ message: StoredMessage, of name: String) -> String? {
        guard !message.reactions.isEmpty else { return nil }
        let parts = message.reactions.map { "\(DisplayText.harmless($0.text)) \($0.isOwn ? "you" : name)" }
        return "[\(parts.joined(separator: ", "))]"
    }

    /// What is told of somebody who asks to become a contact.
    static func request(_ contact: Contact) -> String {
        let argument = ShellText.argument(contact.name)
        let greeting = contact.greeting.isEmpty ? "" : ": \"\(DisplayText.harmless(contact.greeting))\""
        return """
            \(contact.name) asks to become a contact\(greeting).
            Answer:  sotto accept \(argument)   or   sotto block \(argument)
            """
    }

    /// `1 message`, `2 messages`.
    static func count(_ number: Int, _ what: String) -> String { "\(number) \(what)\(number == 1 ? "" : "s")" }
}
