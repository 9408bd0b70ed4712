import Dispatch
import NIOCore
import Peering
import Ratchet
import Vault
import Wire

// What is looked after four times a second, and what once an hour.

extension Messenger {
    /// How often what grows old is looked after, in nanoseconds.
    private static let maintenanceInterval: UInt64 = 3_600_000_000_000
    /// How long the vault must have worked for its failures to be forgotten, in nanoseconds.
    private static let storageMemory: UInt64 = 60_000_000_000

    func keepHouse() {
        guard !isStopped else { return }
        let now = Self.monotonicClock()
        refreshBook()
        if isWaitingUnread, !isStorageTroubled {
            isWaitingUnread = false
            registerCapabilities()
            do { try loadWaiting() } catch { isWaitingUnread = true }
        }
        expireMessages()
        if mailDesk.giveUpEarly(now: now) { scheduleEndOfTurn() }
        if mailDesk.takeUpDeferred(strangers.available(now: now)) { readMail() }
        if mailDesk.mayAskAgain(now: now) {
            publishPrekeys()
            registerCapabilities()
        }
        for conversation in conversations.values {
            if !conversation.unreadable.isEmpty { endTurn(for: conversation) }
            if !conversation.outbox.isEmpty { push(conversation, now: now) }
        }
        if storageRetries > 0, !isStorageTroubled, now &- storageFailedAt > Self.storageMemory { storageRetries = 0 }
        if now &- maintainedAt > Self.maintenanceInterval, !isStorageTroubled { maintain(now: now) }
    }

    private func push(_ conversation: Conversation, now: UInt64) {
        if let since = conversation.awaitedSince, now &- since > Self.hedgeDelay { conversation.isHedging = true }
        // Who was asked for prekeys and did not answer is asked again; the answers are bounded by their giver.
        if conversation.outbox.hasUnencrypted, now &- (conversation.askedAt ?? now) > Self.hedgeDelay {
            conversation.prekeyRequest.wasAsked = false
        }
        if conversation.outbox.hasUnencrypted || conversation.outbox.hasUnmailed { advance(conversation) }
    }

    /// Goes on everywhere after something stood in the way.
    func resumeAll() {
        for conversation in conversations.values {
            read(conversation)
            advance(conversation)
        }
        readMail()
        sendAcknowledgements()
    }

    /// Forgets envelopes and removed messages that nobody sends any more.
    private func prune() {
        commit(
            { try $0.prune(now: Home.wallClock()) }, then: { messenger, count in if count > 0 { messenger.prune() } })
    }

    /// Prekeys and mail grow old, also while a connection lasts for weeks; and what was remembered for long enough is forgotten.
    private func maintain(now: UInt64) {
        maintainedAt = now
        prune()
        guard let info = mailDesk.info else {
            // Who talks to us in sessions only needs prekeys that have not expired, too.
            _ = try? prekeys.maintain(for: home.identity, now: Home.wallClock(), oneTimeLeftOnServer: nil)
            commit({ [prekeys] in try $0.setPrekeys(prekeys.encode()) }, then: { _, _ in })
            return
        }
        maintainMail(oneTimeKeysLeft: Int(info.oneTimeKeysLeft), isAnother: false)
    }
}
