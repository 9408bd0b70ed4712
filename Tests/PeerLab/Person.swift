package import Identity
package import Messenger
import NIOConcurrencyHelpers
package import TestTools
import Vault

/// A messenger on a thread of its own, and everything it told.
package final class Person: Sendable {
    package let home: Home
    package let messenger: Messenger
    package let log = EventLog<MessengerEvent>()
    private let thread = EventThread()
    private let isStopped = NIOLockedValueBox(false)
    private let reader = NIOLockedValueBox<Task<Void, Never>?>(nil)

    init(home: Home, options: MessengerOptions, reads: Bool) throws {
        self.home = home
        messenger = try Messenger(home: home, options: options, thread: thread, logger: quiet)
        if reads { beginReading() }
    }

    package var id: PeerID { home.identity.peerID }

    /// Starts to take events, if it does not yet.
    package func beginReading() {
        reader.withLockedValue { reader in
            guard reader == nil else { return }
            reader = Task { [messenger, log] in
                for await event in messenger.events { log.append(event) }
            }
        }
    }

    /// Goes online and returns when the server knows it.
    package func online() async throws {
        try await messenger.start()
        try await log.next("ready") { if case .ready = $0 { () } else { nil } }
    }

    /// Waits until the server's mailbox knows whose mail comes to this person, and how to begin with them.
    package func mailReachesThem() async throws {
        try await eventually("mail reaches them") { [home] in
            let known = try home.vault.read { try $0.mailBookkeeping() }
            return known.prekeysPublishedAt > 0 && !known.capabilitiesDigest.isEmpty
        }
    }

    /// Stops the messenger, and returns when nothing of it runs any more. Idempotent.
    package func stop() async {
        // Nothing runs on a thread that was shut down.
        let isFirst = isStopped.withLockedValue { isStopped in
            defer { isStopped = true }
            return !isStopped
        }
        guard isFirst else { return }
        await messenger.stop()
        await messenger.settled()
        beginReading()
        let task = reader.withLockedValue { $0 }
        await task?.value
        await thread.shutdown()
    }

    // MARK: Doing

    package func contact(_ name: String) async throws -> Contact { try await messenger.contact(named: name) }

    /// Wants the contact reached.
    package func reach(_ name: String) async throws {
        await messenger.keepConnected(to: try await contact(name), onScreen: true)
    }

    @discardableResult
    package func send(_ text: String, to name: String) async throws -> MessageID {
        try await messenger.send(text, to: try await contact(name))
    }

    package func ping(_ name: String) async throws { await messenger.ping(try await contact(name)) }

    // MARK: Waiting

    /// The next text that comes in.
    package func text(within seconds: Double = 60) async throws -> String {
        try await log.next("message", within: seconds) {
            if case .message(let message) = $0 { message.text } else { nil }
        }
    }

    package func whenOnline() async throws {
        try await log.next("online") { if case .online = $0 { () } else { nil } }
    }

    /// The reason for which the contact is offline.
    package func whenOffline(within seconds: Double = 60) async throws -> String {
        try await log.next("offline", within: seconds) { if case .offline(_, let reason) = $0 { reason } else { nil } }
    }

    /// Waits until the contact is offline for a reason.
    package func whenOffline(because why: String, within seconds: Double = 60) async throws {
        try await log.next("offline: \(why)", within: seconds) {
            if case .offline(_, why) = $0 { () } else { nil }
        }
    }

    /// Waits until the conversation travels like this, or has before.
    package func when(_ kind: ConversationPath.Kind, within seconds: Double = 60) async throws {
        try await log.until("path \(kind)", within: seconds) { events -> Void? in
            events.contains { if case .path(_, let path) = $0 { path.kind == kind } else { false } } ? () : nil
        }
    }

    /// The texts that came in, once there are so many.
    package func texts(_ count: Int) async throws -> [String] {
        try await eventually("\(count) messages") { texts.count >= count }
        return texts
    }

    /// The reason that came with a message's state.
    @discardableResult
    package func when(
        _ id: MessageID, is state: MessageState, within seconds: Double = 60
    ) async throws -> String? {
        try await log.until("message is \(state)", within: seconds) { events -> String?? in
            for case .state(id, _, state, let reason) in events { return .some(reason) }
            return nil
        }
    }

    /// The next thing that the user should know.
    package func notice(_ wanted: MessengerNotice) async throws {
        try await log.next("notice \(wanted)") { if case .notice(_, wanted) = $0 { () } else { nil } }
    }

    // MARK: Looking back

    /// All texts that came in, in order.
    package var texts: [String] {
        log.all.compactMap { if case .message(let message) = $0 { message.text } else { nil } }
    }

    /// The kinds of paths, in the order in which they came, without repeats.
    package var paths: [ConversationPath.Kind] {
        log.all.reduce(into: []) { kinds, event in
            if case .path(_, let path) = event, kinds.last != path.kind { kinds.append(path.kind) }
        }
    }

    /// How often a session was opened.
    package var sessions: Int { log.all.count { if case .online = $0 { true } else { false } } }
}
