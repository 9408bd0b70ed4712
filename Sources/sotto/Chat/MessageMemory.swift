import Messenger
import Vault
import Wire

/// What was shown lately, so that a change of a message can be told as what it is.
struct MessageMemory {
    /// More than these are not remembered.
    static let limit = 1_000

    private struct Key: Hashable {
        let contact: ContactRow
        let direction: StoredMessage.Direction
        let id: [UInt8]
    }

    private var known: [Key: StoredMessage] = [:]
    private var order: [Key] = []

    /// The message is on the screen now.
    mutating func note(_ message: StoredMessage) {
        let key = Key(contact: message.contact, direction: message.direction, id: message.messageID)
        if known.updateValue(message, forKey: key) == nil { order.append(key) }
        guard order.count > Self.limit else { return }
        for old in order.prefix(Self.limit / 4) { known[old] = nil }
        order.removeFirst(Self.limit / 4)
    }

    /// The text of a message of either that was shown.
    func text(of id: [UInt8], in contact: ContactRow) -> String? {
        for direction in [StoredMessage.Direction.incoming, .outgoing] {
            if let known = known[Key(contact: contact, direction: direction, id: id)] { return known.text }
        }
        return nil
    }

    /// What has happened to a message, in a sentence; `nil` when nothing that is told. Remembers the message.
    ///
    /// - Parameter name: of the contact whose conversation it is.
    mutating func change(_ message: StoredMessage, with name: String) -> String? {
        let key = Key(contact: message.contact, direction: message.direction, id: message.messageID)
        let before = known[key]
        note(message)
        let author = message.direction == .incoming ? name : "you"
        if message.isDeleted {
            let what = before.map { ": \"\(MessageText.excerpt($0.text))\"" } ?? ""
            return before?.isDeleted == true ? nil : "\(author) deleted a message\(what)"
        }
        // Without knowledge of before: what was edited has no new reaction, as far as one can tell.
        let (texts, reactions) = (before?.text, before?.reactions ?? [])
        if let texts, texts != message.text { return Self.edited(author, message) }
        for reaction in message.reactions where !reactions.contains(reaction) {
            return
                "\(reaction.isOwn ? "you" : name) reacted \(DisplayText.harmless(reaction.text)) to \"\(MessageText.excerpt(message.text))\""
        }
        if let gone = reactions.first(where: { !message.reactions.contains($0) }) {
            return "\(gone.isOwn ? "you" : name) took a reaction back: \"\(MessageText.excerpt(message.text))\""
        }
        return texts == nil && message.editedAt != nil ? Self.edited(author, message) : nil
    }

    private static func edited(_ author: String, _ message: StoredMessage) -> String {
        "\(author) edited a message: \"\(MessageText.excerpt(message.text, limit: 400))\""
    }
}
