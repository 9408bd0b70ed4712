import Foundation
import Identity
import Messenger
import Vault
import Wire

// The events of the contract: docs/command-line.md.

extension Output {
    func ready(_ peer: String) { event(JSONLine(event: "ready").adding("peer", .text(peer))) }

    /// - Parameter counts: messages that wait for the contact, and messages of theirs that the user has not seen.
    func contact(
        _ contact: Contact, counts: (waiting: Int, unread: Int)? = nil, safetyNumber: String? = nil, code: String? = nil
    ) {
        event(
            person("contact", contact).adding("verified", .flag(contact.verified))
                .adding("state", .text(contact.state.word))
                .adding("own_name", contact.ownName.isEmpty ? nil : .text(contact.ownName))
                .adding("unread", counts.map { .integer($0.unread) })
                .adding("waiting", counts.map { .integer($0.waiting) })
                .adding("expires_after_s", contact.expiresAfter.map { .integer(Int($0)) })
                .adding("safety_number", safetyNumber.map { .text($0) })
                .adding("verification_code", code.map { .text($0) }))
    }

    private func person(_ event: String, _ contact: Contact) -> JSONLine {
        JSONLine(event: event).adding("name", .text(contact.name)).adding("peer", .text(contact.peer.description))
    }

    func path(_ contact: Contact, _ report: ConversationPath) {
        event(
            JSONLine(event: "path").adding("contact", .text(contact.name)).adding("path", .text(report.kind.rawValue))
                .adding("rtt_ms", report.roundTripMilliseconds.map { .number($0) })
                .adding("local", report.local.map { .text($0.description) })
                .adding("remote", report.remote.map { .text($0.description) })
                .adding("data_plane", report.dataPlane.map { .text($0.rawValue) })
                .adding("since_start_ms", .number(report.sinceStartMilliseconds))
                .adding("verified", .flag(contact.verified)))
    }

    /// A message of the history, or one that came in.
    func message(_ message: StoredMessage, with contact: Contact) { event(line("message", message, contact)) }

    /// A message that was changed by somebody.
    func changed(_ message: StoredMessage, with contact: Contact) { event(line("changed", message, contact)) }

    private func line(_ event: String, _ message: StoredMessage, _ contact: Contact) -> JSONLine {
        let isText = message.kind == StoredMessage.textKind
        return JSONLine(event: event).adding("contact", .text(contact.name))
            .adding("id", .text(message.name))
            .adding("direction", .text(message.direction == .incoming ? "incoming" : "outgoing"))
            .adding("text", .text(message.text)).adding("sent_at", .text(TimeText.iso(message.sentAt)))
            .adding("stored_at", .text(TimeText.iso(message.storedAt)))
            .adding("state", .text(message.state.word)).adding("reason", message.reason.map { .text($0) })
            .adding("kind", isText ? nil : .integer(Int(message.kind)))
            .adding("reply_to", message.replyTo.flatMap { MessageID($0) }.map { .text($0.description) })
            .adding("edited", message.editedAt == nil ? nil : .flag(true))
            .adding("edited_at", message.editedAt.map { .text(TimeText.iso($0)) })
            .adding("deleted", message.isDeleted ? .flag(true) : nil)
            .adding("expires_after_s", message.expiresAfter.map { .integer(Int($0)) })
            .adding("expires_at", message.expiresAt.map { .text(TimeText.iso($0)) })
            .adding("reactions", message.reactions.isEmpty ? nil : .list(message.reactions.map(Self.reaction)))
    }

    private static func reaction(_ reaction: StoredMessage.Reaction) -> JSONLine {
        JSONLine().adding("own", .flag(reaction.isOwn)).adding("text", .text(reaction.text))
    }

    /// - Parameter ref: of the line of input that brought the message.
    func state(_ id: MessageID, _ contact: Contact, _ state: MessageState, reason: String? = nil, ref: String? = nil) {
        event(
            JSONLine(event: "state").adding("state", .text(state.rawValue)).adding("id", .text(id.description))
                .adding("contact", .text(contact.name)).adding("reason", reason.map { .text($0) })
                .adding("ref", ref.map { .text($0) }))
    }

    func pong(_ contact: Contact, _ report: ConversationPath?, roundTrip: Double) {
        event(
            JSONLine(event: "pong").adding("contact", .text(contact.name))
                .adding("path", .text(report?.kind.rawValue ?? "relay")).adding("rtt_ms", .number(roundTrip))
                .adding("data_plane", report?.dataPlane.map { .text($0.rawValue) }))
    }

    func notice(_ kind: String, _ contact: Contact?, _ message: String, cause: String? = nil) {
        event(
            JSONLine(event: "notice").adding("kind", .text(kind)).adding("contact", contact.map { .text($0.name) })
                .adding("message", .text(message)).adding("cause", cause.map { .text($0) }))
    }

    /// A remark that is not the command's result: an event for scripts, a line on standard error for people.
    func remark(_ kind: String, _ contact: Contact?, _ message: String) {
        notice(kind, contact, message)
        notice(message)
    }

    /// The events that every online command reports alike.
    ///
    /// - Parameter ref: of the line of input that brought the message whose state this is.
    func common(_ happened: MessengerEvent, ref: String? = nil) {
        switch happened {
        case .ready(let peer): ready(peer.description)
        case .contact(let contact): self.contact(contact)
        case .path(let contact, let report): path(contact, report)
        case .message(let message): self.message(message.stored, with: message.contact)
        case .state(let id, let contact, let state, let reason):
            self.state(id, contact, state, reason: reason, ref: ref)
        case .pong(let contact, let report, let roundTrip): pong(contact, report, roundTrip: roundTrip)
        case .online(let contact): session(contact, "online", reason: nil)
        case .offline(let contact, let reason): session(contact, "offline", reason: reason)
        case .server(let state): server(state)
        case .mailbox(let waiting):
            event(JSONLine(event: "mailbox").adding("waiting", waiting.map { .integer($0) }))
        case .request(let contact):
            event(person("request", contact).adding("greeting", .text(contact.greeting)))
        case .changed(let message, let contact): changed(message, with: contact)
        case .expired(let id, let contact):
            event(
                JSONLine(event: "expired").adding("contact", .text(contact.name)).adding("id", .text(id.description)))
        case .typing(let contact, let isTyping):
            event(
                JSONLine(event: "typing").adding("contact", .text(contact.name)).adding("typing", .flag(isTyping)))
        case .benchmark(let contact, .began): notice("bench", contact, "\(contact.name) measures with this device")
        case .benchmark(let contact, .ended):
            notice("bench-ended", contact, "\(contact.name) measures no longer")
        case .benchmark: break
        case .notice(let contact, let notice):
            self.notice(notice.kind, contact, notice.sentence(about: contact), cause: notice.cause)
        }
    }

    private func session(_ contact: Contact, _ state: String, reason: String?) {
        event(
            JSONLine(event: "session").adding("contact", .text(contact.name)).adding("state", .text(state))
                .adding("reason", reason.map { .text($0) }))
    }

    private func server(_ state: ServerState) {
        guard case .disconnected(let reason, let retryIn) = state else { return }
        event(
            JSONLine(event: "signaling").adding("state", .text("disconnected")).adding("reason", .text(reason))
                .adding("retry_in_s", retryIn.map { .number($0) }))
    }
}

// MARK: - Words of the contract

extension Contact.State {
    /// As scripts read it.
    var word: String {
        switch self {
        case .contact: "contact"
        case .requestedByUs: "requested"
        case .requestsUs: "requests"
        case .blocked: "blocked"
        }
    }
}

extension StoredMessage {
    /// Its id, as people and scripts write it.
    var name: String { MessageID(messageID)?.description ?? "" }
}

extension StoredMessage.State {
    /// As scripts and people read it.
    var word: String {
        switch self {
        case .unread: "unread"
        case .seen: "seen"
        case .queued: "queued"
        case .failed: "failed"
        case .sent: "sent"
        case .delivered: "delivered"
        case .read: "read"
        }
    }
}

extension MessengerNotice {
    /// As scripts read it.
    var kind: String {
        switch self {
        case .repairing: "repairing"
        case .repaired: "repaired"
        case .storage: "storage"
        case .mailRefused: "mail-refused"
        case .restored: "restored"
        }
    }

    /// What is the matter with the vault, when something is.
    var cause: String? {
        guard case .storage(let error) = self else { return nil }
        return Failure.cause(error)
    }

    /// As people read it.
    func sentence(about contact: Contact?) -> String {
        let who = contact?.name ?? "a contact"
        return switch self {
        case .repairing: "a message of \(who) could not be decrypted: it was asked for again"
        case .repaired: "\(who) could not decrypt a message: it was encrypted again"
        case .storage(let error): "not stored: \(error.description)"
        case .mailRefused(let reason): "mail for \(who) waits here: \(reason)"
        case .restored: "this home was put back from a backup: what happened after it is asked for again"
        }
    }
}
