import Foundation
import Messenger
import NIOConcurrencyHelpers
import Vault
import Wire

/// Turns what the messenger reports, and what is stored, into what a person in a chat sees.
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
        /// Messages written while the contact was away, so that only their arrival needs telling.
        var waiting: Set<MessageID> = []
        /// The user's last message, whose state the status line shows.
        var last: MessageID?
        var memory = MessageMemory()
        /// The day of the entry above.
        var day = ""
        /// Up to this row everything was shown.
        var shownRow: Int64 = 0
        /// How long messages stay after reading, as it was told last.
        var expiresAfter: UInt32?
        /// When the contact began to write.
        var typingSince: ContinuousClock.Instant?
    }

    /// Signs of life of the contact's writing are believed for so long.
    private static let typingLimit = Duration.seconds(30)

    init(
        _ contact: Contact, terminal: any TerminalDevice = RawTerminal(),
        onTyping: @escaping @Sendable (Bool) -> Void = { _ in }
    ) {
        self.contact = contact
        let status = ChatStatus(verified: contact.verified)
        state = NIOLockedValueBox(State(status: status, expiresAfter: contact.expiresAfter))
        screen = ChatScreen(contact: contact.name, terminal: terminal, status: status, onTyping: onTyping)
    }

    // MARK: What is stored

    /// Shows what was said last, with a line where the unread messages begin.
    ///
    /// - Parameter isMore: there are earlier messages.
    func begin(with messages: [StoredMessage], isMore: Bool) {
        if isMore {
            screen.showNotice("earlier messages: /history N, or  sotto history \(ShellText.argument(contact.name))")
        }
        var isUnread = false
        for message in messages {
            if message.direction == .incoming, message.state == .unread, !isUnread {
                isUnread = true
                screen.showDivider("new")
            }
            show(message)
        }
        state.withLockedValue { state in
            state.shownRow = messages.map(\.row).max() ?? 0
            state.last = messages.last { $0.direction == .outgoing }.flatMap { MessageID($0.messageID) }
            state.status.lastState =
                messages.last?.direction == .outgoing ? Self.word(messages.last?.state ?? .queued) : ""
        }
        update { _ in }
        screen.showNotice(
            contact.verified
                ? "End-to-end encrypted; you verified \(contact.name). /help lists what else can be done here."
                : "End-to-end encrypted. Not verified yet: compare safety numbers with  /verify"
        )
        if let seconds = contact.expiresAfter { screen.showNotice(Self.expiry(seconds)) }
    }

    /// Shows a stored message, wherever it was written.
    func show(_ message: StoredMessage) {
        let date = TimeText.date(message.direction == .incoming ? message.storedAt : message.sentAt)
        passDay(date)
        state.withLockedValue { $0.memory.note(message) }
        let text = body(message)
        if message.direction == .incoming {
            screen.show(incoming: text, from: contact.name, at: date)
        } else {
            let mark = Self.mark(message)
            screen.showOwn(text + (mark.isEmpty ? "" : "  \(mark)"), at: date, isTyped: false)
        }
    }

    private func body(_ message: StoredMessage) -> String {
        var text = MessageText.body(message)
        if let answered = message.replyTo {
            let quoted = state.withLockedValue { $0.memory.text(of: answered, in: message.contact) }
            text = "(to \"\(MessageText.excerpt(quoted ?? "an earlier message"))\") " + text
        }
        if let reactions = MessageText.reactions(message, of: contact.name) { text += "  \(reactions)" }
        return text
    }

    /// Behind an own message that is shown again: how far it came.
    private static func mark(_ message: StoredMessage) -> String {
        switch message.state {
        case .queued: "(waiting)"
        case .failed: "(not delivered)"
        case .sent: "(sent)"
        case .read: "(read)"
        case .delivered, .unread, .seen: ""
        }
    }

    private static func word(_ state: StoredMessage.State) -> String {
        switch state {
        case .unread, .seen: ""
        default: state.word
        }
    }

    private static func expiry(_ seconds: UInt32?) -> String {
        guard let seconds else { return "messages stay from now on" }
        return "messages disappear \(DurationText.text(seconds)) after they were read"
    }

    // MARK: What the user does

    /// Shows what the user wrote.
    func typed(_ text: String, _ id: MessageID) {
        passDay(Date())
        screen.showOwn(text)
        let isOnline = state.withLockedValue { state in
            if !state.isOnline { state.waiting.insert(id) }
            state.last = id
            state.status.lastState = ""
            return state.isOnline
        }
        update { _ in }
        if !isOnline {
            screen.showNotice("\(contact.name) is not connected: the message is stored, and waits here")
        }
    }

    // MARK: What happens

    /// Whether a message was not shown yet.
    func isNew(_ message: StoredMessage) -> Bool { state.withLockedValue { message.row > $0.shownRow } }

    /// Shows an event. Returns the failure that ends the chat, if it is one.
    func show(_ event: MessengerEvent) -> Failure? {
        switch event {
        case .message(let message) where message.contact.peer == contact.peer: showIncoming(message.stored)
        case .message(let message):
            screen.showNotice("\(message.contact.name) writes: \(MessageText.body(message.stored))")
        case .online(let other) where other.peer == contact.peer: showOnline()
        case .offline(let other, let reason) where other.peer == contact.peer: showOffline(reason)
        case .path(let other, let report) where other.peer == contact.peer:
            update { state in
                state.status.connected = true
                state.status.path = ChatStatus.Path(rawValue: report.kind.rawValue)
                state.status.rttMilliseconds = report.roundTripMilliseconds
                state.status.verified = other.verified
            }
        case .contact(let other): screen.showNotice("\(other.name) is a contact now (not verified)")
        case .request(let other):
            screen.showNotice(
                "\(other.name) asks to become a contact: sotto accept \(ShellText.argument(other.name))")
        case .state(let id, let other, let reached, let reason) where other.peer == contact.peer:
            showState(id, reached, reason)
        case .changed(let message, let other):
            let change = state.withLockedValue { $0.memory.change(message, with: other.name) }
            if let change { screen.showNotice(other.peer == contact.peer ? change : "\(other.name): \(change)") }
        case .typing(let other, let isTyping) where other.peer == contact.peer:
            update { state in
                state.status.isTyping = isTyping
                state.typingSince = isTyping ? .now : nil
            }
        case .notice(let other, let notice): screen.showNotice(notice.sentence(about: other))
        case .server(.disconnected(let reason, let retryIn)):
            guard retryIn != nil else { return Failure("server", reason) }
            tellServer(isGone: true, "no connection to the server (\(reason)); trying again")
        case .ready:
            tellServer(isGone: false, "connected to the server again")
        case .online, .offline, .path, .state, .pong, .server, .mailbox, .expired, .typing, .benchmark:
            break
        }
        return nil
    }

    private func showIncoming(_ message: StoredMessage) {
        let isOther = state.withLockedValue { state in
            defer { state.expiresAfter = message.expiresAfter }
            return state.expiresAfter != message.expiresAfter
        }
        if isOther { screen.showNotice(Self.expiry(message.expiresAfter)) }
        update { $0.status.isTyping = false }
        show(message)
    }

    private func showOnline() {
        update { state in
            state.isOnline = true
            state.toldReasons = []
        }
        screen.showNotice("\(contact.name) is here")
    }

    private func showOffline(_ reason: String) {
        update { state in
            state.isOnline = false
            state.status.connected = false
            state.status.isTyping = false
            state.status.path = nil
        }
        let (isNews, isFirst) = state.withLockedValue { state in
            defer { state.toldReasons.insert(reason) }
            return (!state.toldReasons.contains(reason), state.toldReasons.isEmpty)
        }
        guard isNews else { return }
        screen.showNotice("\(contact.name): \(reason)\(isFirst ? "; trying to reach them" : "")")
    }

    private func showState(_ id: MessageID, _ reached: MessageState, _ reason: String?) {
        update { state in
            if state.last == id { state.status.lastState = reached.rawValue }
        }
        switch reached {
        case .delivered, .sent:
            guard state.withLockedValue({ $0.waiting.remove(id) != nil }) else { return }
            screen.showNotice(
                reached == .sent
                    ? "the server keeps the message until \(contact.name) comes" : "a waiting message was delivered")
        case .failed: screen.showNotice("not delivered: \(reason ?? "unknown reason")")
        case .queued, .read: break
        }
    }

    /// The user has changed how long messages stay.
    func expiryChanged(_ seconds: UInt32?) {
        state.withLockedValue { $0.expiresAfter = seconds }
        screen.showNotice(Self.expiry(seconds))
    }

    /// The user has verified the contact, or taken that back.
    func verified(_ isVerified: Bool) { update { $0.status.verified = isVerified } }

    /// Shows a fresh measurement of the path in use; forgets signs of writing that are old.
    func measured(_ path: ConversationPath?) {
        update { state in
            if let since = state.typingSince, .now - since > Self.typingLimit { state.status.isTyping = false }
            guard state.isOnline, let path else { return }
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

    /// A line for each new day.
    private func passDay(_ date: Date) {
        let day = TimeText.day(date)
        let isNew = state.withLockedValue { state in
            defer { state.day = day }
            return state.day != day
        }
        if isNew { screen.showDivider(day) }
    }

    private func tellServer(isGone: Bool, _ text: String) {
        let isNews = state.withLockedValue { state in
            defer { state.isServerGone = isGone }
            return state.isServerGone != isGone
        }
        if isNews { screen.showNotice(text) }
    }
}
