import Foundation
import Messenger
import NIOConcurrencyHelpers
import Vault

/// Stays with something that was put into the outbox, until it has come as far as it was asked for or as it can come now: online itself, or beside the process that is.
struct Delivery: Sendable {
    enum Item: Sendable {
        case message(MessageID)
        /// A row of the outbox that tells the contact of a change.
        case change(row: Int64)
    }

    private static let glance = Duration.milliseconds(40)

    private let item: Item
    private let contact: Contact
    private let options: DeliveryOptions
    private let deadline: ContinuousClock.Instant
    private let judge: NIOLockedValueBox<DeliveryJudge>
    /// The process that is online with the home, when it is another.
    private let other = NIOLockedValueBox<Int32?>(nil)

    init(_ item: Item, to contact: Contact, _ options: DeliveryOptions) {
        self.item = item
        self.contact = contact
        self.options = options
        deadline = .now + .seconds(options.limit)
        judge = NIOLockedValueBox(DeliveryJudge(goal: options.wait, takesMail: contact.state == .contact))
    }

    /// To be called where signals are heeded: ``Online/heedingSignals(_:)``.
    ///
    /// - Throws: ``Failure`` when what was asked for was not reached.
    func run(_ home: Home, _ common: CommonOptions, _ network: NetworkOptions, _ output: Output) async throws {
        if options.wait != .queued { try await wait(home, common, network, output) }
        if Task.isCancelled { throw Self.interruption }
        try conclude(output)
    }

    private func wait(
        _ home: Home, _ common: CommonOptions, _ network: NetworkOptions, _ output: Output
    ) async throws {
        while await !beside(home, common, output) {
            do {
                return try await Online.run(home, common, network) { messenger, home in
                    try await follow(messenger, home, output)
                }
            } catch HomeError.inUse {
                // Somebody was faster: beside them, then.
                continue
            }
        }
    }

    // MARK: Online ourselves

    private func follow(_ messenger: Messenger, _ home: Home, _ output: Output) async throws {
        try await withThrowingDiscardingTaskGroup { timers in
            defer { timers.cancelAll() }
            timers.addTask {
                guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
                await messenger.stop()
            }
            if case .change(let row) = item {
                timers.addTask { await watchChange(row, home, messenger) }
            }
            var patience: Task<Void, Never>?
            defer { patience?.cancel() }
            for await event in messenger.events {
                // What comes in meanwhile is for 'listen' and 'chat' to show.
                if case .message = event { continue }
                output.common(event)
                switch judge.withLockedValue({ Self.take(event, item, contact, &$0) }) {
                case .wait:
                    guard judge.withLockedValue(\.isOnline) else { continue }
                    patience?.cancel()
                    patience = nil
                case .waitAtMost(let seconds):
                    // From the first time on: attempts repeat.
                    guard patience == nil else { continue }
                    patience = Task {
                        guard (try? await Task.sleep(for: .seconds(seconds))) != nil else { return }
                        await messenger.stop()
                    }
                case .done: return
                case .failed(let reason): throw Failure("undelivered", "\(contact.name): \(reason)")
                }
            }
            if Task.isCancelled { throw Self.interruption }
        }
    }

    private static func take(
        _ event: MessengerEvent, _ item: Item, _ contact: Contact, _ judge: inout DeliveryJudge
    ) -> DeliveryJudge.Verdict {
        switch event {
        case .state(let id, let other, let state, let reason) where other.peer == contact.peer:
            guard case .message(id) = item else { return .wait }
            let verdict = judge.advanced(to: state)
            if case .failed = verdict, let reason { return .failed(reason: reason) }
            return verdict
        case .online(let other) where other.peer == contact.peer: return judge.contactCame()
        case .offline(let other, let reason) where other.peer == contact.peer:
            return judge.contactIsAway(because: reason)
        case .ready: return judge.serverCame()
        case .server(.disconnected(let reason, let retryIn)):
            return judge.serverIsAway(because: reason, isFinal: retryIn == nil)
        case .mailbox(let waiting): return waiting == nil ? .wait : judge.mailboxOpened()
        case .notice(let other, .mailRefused(let reason)) where other?.peer == contact.peer:
            return judge.mailWasRefused(because: reason)
        case .notice(_, .storage(let error)): return .failed(reason: error.description)
        default: return .wait
        }
    }

    /// Changes have no events of their own: the outbox tells.
    private func watchChange(_ row: Int64, _ home: Home, _ messenger: Messenger) async {
        while (try? await Task.sleep(for: Self.glance)) != nil {
            guard let state = try? Self.state(.change(row: row), contact, home) else { continue }
            let isDone = judge.withLockedValue { judge in
                state != judge.reached && judge.advanced(to: state) == .done
            }
            if isDone { return await messenger.stop() }
        }
    }

    // MARK: Beside the process that is online

    /// Waits while another process is online with this home.
    ///
    /// - Returns: whether that is the end; else nobody is online, and it is for us to be.
    private func beside(_ home: Home, _ common: CommonOptions, _ output: Output) async -> Bool {
        var told = MessageState.queued
        defer { if !Task.isCancelled, .now < deadline { other.withLockedValue { $0 = nil } } }
        while let process = Home.onlineProcess(at: common.homeDirectory) {
            other.withLockedValue { $0 = process }
            let state = (try? Self.state(item, contact, home)) ?? told
            if state != told, case .message(let id) = item {
                // Between two glances it can come further than one step.
                if state == .read, told != .delivered { output.state(id, contact, .delivered) }
                output.state(id, contact, state)
            }
            told = state
            let verdict = judge.withLockedValue { $0.advanced(to: state) }
            if verdict != .wait || .now >= deadline { return true }
            guard (try? await Task.sleep(for: Self.glance)) != nil else { return true }
        }
        return Task.isCancelled || .now >= deadline
    }

    private static func state(_ item: Item, _ contact: Contact, _ home: Home) throws -> MessageState {
        switch item {
        case .message(let id):
            switch try home.sent(id, to: contact)?.state {
            case .sent: return .sent
            case .delivered: return .delivered
            case .read: return .read
            case .failed, nil: return .failed
            case .queued, .unread, .seen: return .queued
            }
        case .change(let row):
            guard let entry = try home.vault.read({ try $0.outboxEntry(row: row) }) else { return .delivered }
            return entry.isMailed ? .sent : .queued
        }
    }

    // MARK: The end

    private static let interruption = Failure(
        "interrupted", "interrupted: what was written is stored, and goes out the next time")

    private func conclude(_ output: Output) throws {
        let judge = judge.withLockedValue { $0 }
        let what = if case .message = item { "message" } else { "change" }
        if case .change = item {
            output.event(
                JSONLine(event: "change").adding("contact", .text(contact.name))
                    .adding("state", .text(judge.reached.rawValue)))
        }
        switch judge.reached {
        case .delivered, .read:
            output.say("delivered")
        case .failed:
            throw Failure("undelivered", "\(contact.name): \(judge.obstacle ?? "the \(what) was not delivered")")
        case .sent where options.wait != .delivered:
            output.say("sent: the server keeps it until \(contact.name) comes")
        case .sent:
            throw Failure("undelivered", "\(contact.name) does not have the \(what) yet: the server keeps it")
        case .queued:
            let isOurs = other.withLockedValue { $0 == nil } && options.wait != .queued
            let failure = isOurs ? judge.serverFailure : nil
            let reason = failure ?? judge.obstacle.map { "\(contact.name): \($0)" }
            let place =
                isOurs || options.wait == .queued
                ? "the \(what) waits on this device, and goes out when 'sotto listen' or 'sotto chat' runs"
                : "the \(what) waits on this device; the program that is online will send it"
            let sentence = (reason.map { "\($0); " } ?? "") + place
            if let wait = options.wait, wait != .queued {
                throw Failure(failure == nil ? "undelivered" : "server", sentence)
            }
            output.notice("waiting", contact, sentence)
            output.say("queued: \(sentence)")
        }
    }
}
