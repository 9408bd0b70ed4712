import Foundation
import Messenger
import NIOConcurrencyHelpers

/// Turns what the messenger reports into what a person in a chat sees.
final class ChatView: Sendable {
    let screen: ChatScreen
    private let contact: Contact
    private let state: NIOLockedValueBox<State>

    private struct State {
        var status: ChatStatus
        var isOnline = false
        /// Why the contact could not be reached, as far as it was told since they were here: attempts repeat, their news does not.
        var toldReasons: Set<String> = []
        var isServerGone = false
        /// Messages typed while the contact was away, so that only their arrival needs telling.
        var waiting: Set<MessageID> = []
    }

    init(_ contact: Contact) {
        self.contact = contact
        let status = ChatStatus(verified: contact.verified)
        state = NIOLockedValueBox(State(status: status))
        screen = ChatScreen(contact: contact.name, terminal: RawTerminal(), status: status)
        screen.showNotice(
            contact.verified
                ? "End-to-end encrypted; you verified \(contact.name)."
                : "End-to-end encrypted. Not verified yet: compare safety numbers with  sotto verify \(ShellText.argument(contact.name))"
        )
    }

    /// Shows what the user wrote.
    func typed(_ text: String, _ id: MessageID) {
        screen.showOwn(text)
        let isOnline = state.withLockedValue { state in
            if !state.isOnline { state.waiting.insert(id) }
            return state.isOnline
        }
        if !isOnline {
            screen.showNotice("\(contact.name) is not connected: the message waits here, as long as this chat is open")
        }
    }

    /// Shows an event. Returns the failure that ends the chat, if it is one.
    func show(_ event: MessengerEvent) -> Failure? {
        switch event {
        case .message(let message) where message.contact.peer == contact.peer:
            screen.show(incoming: message.text, from: message.contact.name, at: Date())
        case .message(let message):
            screen.showNotice("\(message.contact.name) writes: \(message.text)")
        case .online(let other) where other.peer == contact.peer:
            update { state in
                state.isOnline = true
                state.toldReasons = []
            }
            screen.showNotice("\(contact.name) is here")
        case .offline(let other, let reason) where other.peer == contact.peer:
            update { state in
                state.isOnline = false
                state.status.connected = false
                state.status.path = nil
            }
            tellOffline(reason)
        case .path(let other, let report) where other.peer == contact.peer:
            update { state in
                state.status.connected = true
                state.status.path = ChatStatus.Path(rawValue: report.kind.rawValue)
                state.status.rttMilliseconds = report.roundTripMilliseconds
                state.status.verified = other.verified
            }
        case .contact(let other):
            screen.showNotice("\(other.name) came with your invite and is a contact now (not verified)")
        case .state(let id, _, .delivered, _):
            if state.withLockedValue({ $0.waiting.remove(id) != nil }) {
                screen.showNotice("a waiting message was delivered")
            }
        case .state(_, _, .failed, let reason):
            screen.showNotice("not delivered: \(reason ?? "unknown reason")")
        case .server(.disconnected(let reason, let retryIn)):
            guard retryIn != nil else { return Failure("server", reason) }
            tellServer(isGone: true, "no connection to the server (\(reason)); trying again")
        case .ready:
            tellServer(isGone: false, "connected to the server again")
        case .online, .offline, .path, .state, .pong, .server, .mailbox, .request, .changed, .expired, .typing, .notice:
            break
        }
        return nil
    }

    /// Shows a fresh measurement of the path in use.
    func measured(_ path: ConversationPath) {
        update { state in
            guard state.isOnline else { return }
            state.status.path = ChatStatus.Path(rawValue: path.kind.rawValue)
            state.status.rttMilliseconds = path.roundTripMilliseconds
        }
    }

    private func update(_ change: (inout State) -> Void) {
        screen.setStatus(
            state.withLockedValue { state in
                change(&state)
                return state.status
            })
    }

    private func tellOffline(_ reason: String) {
        let (isNews, isFirst) = state.withLockedValue { state in
            defer { state.toldReasons.insert(reason) }
            return (!state.toldReasons.contains(reason), state.toldReasons.isEmpty)
        }
        guard isNews else { return }
        screen.showNotice("\(contact.name): \(reason)\(isFirst ? "; trying to reach them" : "")")
    }

    private func tellServer(isGone: Bool, _ text: String) {
        let isNews = state.withLockedValue { state in
            defer { state.isServerGone = isGone }
            return state.isServerGone != isGone
        }
        if isNews { screen.showNotice(text) }
    }
}
