import Foundation
import Identity
import Messenger
import Wire

/// What a command says: JSON events or sentences, to standard output; errors and notices of the text form to standard error.
struct Output: Sendable {
    let isJSON: Bool

    func event(_ line: @autoclosure () -> JSONLine) {
        if isJSON { StandardOutput.write(line().line + "\n") }
    }

    /// A line for people; nothing in JSON mode.
    func say(_ text: @autoclosure () -> String) {
        if !isJSON { StandardOutput.write(text() + "\n") }
    }

    /// A remark for people that is not the command's result.
    func notice(_ text: @autoclosure () -> String) {
        if !isJSON { StandardError.write(text() + "\n") }
    }

    func failure(_ failure: Failure) {
        event(JSONLine(event: "error").adding("code", .text(failure.code)).adding("message", .text(failure.message)))
        notice("sotto: \(failure.message)")
    }
}

// MARK: - The events of the contract

extension Output {
    func ready(_ peer: String) { event(JSONLine(event: "ready").adding("peer", .text(peer))) }

    func contact(_ contact: Contact, safetyNumber: String? = nil) {
        event(
            JSONLine(event: "contact").adding("name", .text(contact.name)).adding(
                "peer", .text(contact.peer.description)
            )
            .adding("verified", .flag(contact.verified)).adding("safety_number", safetyNumber.map { .text($0) }))
    }

    func path(_ contact: Contact, _ report: ConversationPath) {
        event(
            JSONLine(event: "path").adding("contact", .text(contact.name)).adding("path", .text(report.kind.rawValue))
                .adding("rtt_ms", report.roundTripMilliseconds.map { .number($0) })
                .adding("local", report.local.map { .text($0.description) })
                .adding("remote", report.remote.map { .text($0.description) })
                .adding("since_start_ms", .number(report.sinceStartMilliseconds))
                .adding("verified", .flag(contact.verified)))
    }

    func message(_ message: IncomingMessage) {
        event(
            JSONLine(event: "message").adding("contact", .text(message.contact.name)).adding(
                "id", .text(message.id.description)
            )
            .adding("text", .text(message.text)).adding("sent_at", .text(TimeText.iso(message.sentAt))))
    }

    func state(_ id: MessageID, _ contact: Contact, _ state: MessageState, reason: String?) {
        event(
            JSONLine(event: "state").adding("id", .text(id.description)).adding("contact", .text(contact.name))
                .adding("state", .text(state.rawValue)).adding("reason", reason.map { .text($0) }))
    }

    func pong(_ contact: Contact, _ report: ConversationPath?, roundTrip: Double) {
        event(
            JSONLine(event: "pong").adding("contact", .text(contact.name))
                .adding("path", .text(report?.kind.rawValue ?? "relay")).adding("rtt_ms", .number(roundTrip)))
    }

    /// The events that every online command reports alike.
    func common(_ event: MessengerEvent) {
        switch event {
        case .ready(let peer): ready(peer.description)
        case .contact(let contact): self.contact(contact)
        case .path(let contact, let report): path(contact, report)
        case .message(let message): self.message(message)
        case .state(let id, let contact, let state, let reason): self.state(id, contact, state, reason: reason)
        case .pong(let contact, let report, let roundTrip): pong(contact, report, roundTrip: roundTrip)
        case .online(let contact): session(contact, "online", reason: nil)
        case .offline(let contact, let reason): session(contact, "offline", reason: reason)
        case .server(let state): server(state)
        case .mailbox, .request, .changed, .expired, .typing, .notice: break
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

/// Times as text.
enum TimeText {
    /// ISO 8601 in UTC with milliseconds.
    static func iso(_ milliseconds: UInt64) -> String {
        Date(timeIntervalSince1970: Double(min(milliseconds, 253_402_300_799_000)) / 1000)
            .formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
