import Messenger

/// Decides, from what happens, when something that waits in the outbox has come as far as it can come now. Pure.
struct DeliveryJudge {
    /// What to do next.
    enum Verdict: Equatable {
        case wait
        /// Nothing better is in sight: wait so many seconds more, unless the contact comes.
        case waitAtMost(seconds: Double)
        /// It has come as far as was asked for, or as it can come.
        case done
        case failed(reason: String)
    }

    /// Seconds for a contact to come after all.
    static let patience = 1.5
    /// Seconds for the mailbox to get it: unless the contact was never there, that takes a moment only.
    static let patienceWithMailbox = 5.0

    private let goal: DeliveryOptions.Wait?
    /// The contact takes mail from us: they are not only asked yet.
    private let takesMail: Bool
    private(set) var reached = MessageState.queued
    private(set) var isOnline = false
    /// Why it is not further, as far as it was told.
    private(set) var obstacle: String?
    /// Why there is no connection to the server.
    private(set) var serverFailure: String? = "the server does not answer"
    private var hasMailbox = false

    init(goal: DeliveryOptions.Wait?, takesMail: Bool) {
        self.goal = goal
        self.takesMail = takesMail
    }

    /// It has come so far.
    mutating func advanced(to state: MessageState) -> Verdict {
        reached = state
        switch state {
        case .failed: return .failed(reason: obstacle ?? "it was not delivered")
        case .delivered, .read: return .done
        case .sent: return goal == .sent || (goal == nil && !isOnline) ? .done : .wait
        case .queued: return goal == .queued ? .done : .wait
        }
    }

    /// The contact can be spoken to.
    mutating func contactCame() -> Verdict {
        (isOnline, serverFailure, obstacle) = (true, nil, nil)
        return .wait
    }

    /// The contact cannot be spoken to.
    mutating func contactIsAway(because reason: String) -> Verdict {
        isOnline = false
        obstacle = reason
        if reached == .sent, goal == nil { return .done }
        guard goal == nil else { return .wait }
        return .waitAtMost(seconds: hasMailbox && takesMail ? Self.patienceWithMailbox : Self.patience)
    }

    mutating func serverCame() -> Verdict {
        serverFailure = nil
        return .wait
    }

    /// - Parameter isFinal: it is not tried again.
    mutating func serverIsAway(because reason: String, isFinal: Bool) -> Verdict {
        (isOnline, hasMailbox, serverFailure) = (false, false, reason)
        return isFinal ? .done : .wait
    }

    mutating func mailboxOpened() -> Verdict {
        hasMailbox = true
        return .wait
    }

    /// The mailbox does not take it now.
    mutating func mailWasRefused(because reason: String) -> Verdict {
        obstacle = reason
        return goal == nil && !isOnline ? .waitAtMost(seconds: Self.patience) : .wait
    }
}
