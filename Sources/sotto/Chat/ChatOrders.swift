import Foundation
import Identity
import Messenger
import Vault
import Wire

/// Carries out what the user types in a chat.
struct ChatOrders: Sendable {
    let messenger: Messenger
    let home: Home
    let contact: Contact
    let view: ChatView

    /// - Returns: whether the user wants to leave.
    func carryOut(_ line: String) async -> Bool {
        do {
            return try await carryOut(ChatCommand(line))
        } catch {
            view.screen.showNotice(Failure(error).message)
            return false
        }
    }

    private func carryOut(_ command: ChatCommand) async throws -> Bool {
        switch command {
        case .send(let text):
            view.typed(text, try await messenger.send(text, to: contact))
        case .reply(let back, let text):
            let answered = try find(back, .incoming)
            let id = try await messenger.send(text, to: contact, answers: MessageID(answered.messageID))
            view.typed("(to \"\(MessageText.excerpt(answered.text))\") \(text)", id)
        case .edit(let back, let text):
            try await messenger.edit(try id(back, .outgoing), to: text, in: contact)
        case .delete(let back):
            try await messenger.delete(try id(back, .outgoing), in: contact)
        case .react(let back, let text):
            try await messenger.react(to: try id(back, .incoming), with: text, in: contact)
        case .search(let words): try search(words)
        case .history(let count):
            for message in try home.history(contact, last: count) { view.show(message) }
        case .disappear(let seconds):
            try await messenger.setExpiry(seconds, with: contact)
            view.expiryChanged(seconds)
        case .verify(let isConfirmed): try verify(isConfirmed)
        case .help: view.screen.showNotice(ChatCommand.helpText)
        case .wrong(let why): view.screen.showNotice(why)
        case .quit: return true
        }
        return false
    }

    private func id(_ back: ChatCommand.Back, _ direction: StoredMessage.Direction) throws -> MessageID {
        guard let id = MessageID(try find(back, direction).messageID) else { throw SendError.unknownMessage }
        return id
    }

    /// The last text of one of the two, or one before it.
    private func find(
        _ back: ChatCommand.Back, _ direction: StoredMessage.Direction
    ) throws -> StoredMessage {
        let found = try contact.row.flatMap { row in
            try home.vault.read { try Self.find(back, direction, row, $0) }
        }
        if let found { return found }
        throw Failure(
            "message",
            direction == .incoming ? "there is no such message of theirs" : "there is no such message of yours")
    }

    private static func find(
        _ back: ChatCommand.Back, _ direction: StoredMessage.Direction, _ contact: ContactRow, _ reader: VaultReader
    ) throws -> StoredMessage? {
        var left = back
        var row = Int64.max
        while true {
            let page = try reader.messages(with: contact, before: row, last: 256)
            for message in page.reversed()
            where message.direction == direction && !message.isDeleted && message.kind == StoredMessage.textKind {
                left -= 1
                if left == 0 { return message }
            }
            guard let first = page.first?.row else { return nil }
            row = first
        }
    }

    private func search(_ words: String) throws {
        let found = try home.vault.search(words, limit: 1_000).filter { $0.contact == contact.row }.prefix(20)
        for message in found.reversed() { view.show(message) }
        view.screen.showNotice(found.isEmpty ? "nothing found" : "\(MessageText.count(found.count, "message")) found")
    }

    private func verify(_ isConfirmed: Bool) throws {
        if isConfirmed {
            try home.update { [contact] book in
                guard let now = book.contact(contact.peer) else { return }
                try book.setVerified(true, name: now.name)
            }
            view.verified(true)
            return view.screen.showNotice("\(contact.name) is verified")
        }
        let groups = SafetyNumber.groups(home.identity.peerID, contact.peer)
        view.screen.showNotice(
            "safety number with \(contact.name), the same on both sides:\n\(Verify.lines(groups))\ncompared, and the same?  /verify yes"
        )
    }
}
