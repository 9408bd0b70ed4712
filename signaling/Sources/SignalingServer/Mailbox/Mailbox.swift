package import Wire

/// What a call of the mailbox is answered with when it is done.
package typealias MailboxAnswer<Value> = @Sendable (Result<Value, MailboxError>) -> Void

/// Mail for peers who are absent, whose mail is taken, and the keys with which others may begin to talk to them.
///
/// Every call may come from any thread and returns at once. Calls are carried out in the order in which they come; `then` is called once, from a thread of the mailbox's own and
/// in the same order, when the outcome is on the disk; on the caller's
/// when it cannot even be queued. A failure means that nothing was changed. After ``close()`` every call fails with ``MailboxError/closed``. Nothing here knows
/// who sent a mail.
package protocol Mailbox: Sendable {
    /// Mails that wait, for all recipients together.
    var waiting: Int { get }

    /// A peer has logged in.
    func greet(_ peer: PeerKey, then: @escaping MailboxAnswer<MailboxSummary>)
    /// Takes a mail in, if its recipient takes it and has room.
    func store(_ mail: NewMail, then: @escaping MailboxAnswer<MailVerdict>)
    /// The mails of a peer that come after `mail`, in the order in which they were stored: at most `items`, and no more once they have `bytes` together, but one in any case.
    func fetch(for peer: PeerKey, after mail: UInt64, items: Int, bytes: Int, then: @escaping MailboxAnswer<MailSlice>)
    /// Deletes mails of this peer. The answer is how many there were.
    func delete(_ mails: [UInt64], of peer: PeerKey, then: @escaping MailboxAnswer<Int>)
    /// Changes whose mail a peer takes. False, and nothing changed, when there would be too many.
    func change(_ change: CapabilityChange, of peer: PeerKey, then: @escaping MailboxAnswer<Bool>)
    /// Stores what a peer has published.
    func publish(_ publication: PrekeyPublicationLayout, then: @escaping MailboxAnswer<Void>)
    /// A bundle of a peer's prekeys; empty when there is none. Whoever shows a capability that the peer has registered gets a one-time prekey that nobody else gets, if one is left.
    func bundle(of peer: PeerKey, capability: CapabilityDigest?, then: @escaping MailboxAnswer<[UInt8]>)
    /// Deletes mails whose time is over, and what belongs to peers who have not come for a very long time. At most `limit` mails.
    func tidy(limit: Int, then: @escaping MailboxAnswer<MailboxTidied>)
    /// Carries out what was called before, and lets go of the store. Blocks; idempotent.
    func close()
}

/// A mail on its way into the store.
package struct NewMail: Sendable {
    /// For whom.
    package let recipient: PeerKey
    /// What the sender has shown; nil for a stranger's request.
    package let capability: CapabilityDigest?
    /// What is to be delivered.
    package let envelope: [UInt8]

    package init(recipient: PeerKey, capability: CapabilityDigest?, envelope: [UInt8]) {
        self.recipient = recipient
        self.capability = capability
        self.envelope = envelope
    }
}

/// A mail in the store.
package struct StoredMail: Hashable, Sendable {
    /// Its number: larger than that of every mail stored before, and never used again.
    package let id: UInt64
    /// When it was stored, in milliseconds since 1970.
    package let storedAt: UInt64
    package let envelope: [UInt8]
}

/// What became of a mail.
package enum MailVerdict: Hashable, Sendable {
    case stored(id: UInt64)
    case refused(MailRefusal)
}

/// Some of the mails of a peer.
package struct MailSlice: Hashable, Sendable {
    package let mails: [StoredMail]
    /// Whether there are more after them.
    package let hasMore: Bool
}

/// What was tidied up.
package struct MailboxTidied: Hashable, Sendable {
    /// Mails that were deleted.
    package let deleted: Int
    /// Whether there is more to do.
    package let hasMore: Bool
}

/// What a peer is told who has logged in.
package struct MailboxSummary: Hashable, Sendable {
    /// Mails that wait.
    package let waiting: Int
    /// One-time prekeys that are left.
    package let oneTimeKeysLeft: Int
    /// 16 bytes; others than before: whatever the peer registered and published is not there any more.
    package let generation: [UInt8]
}

/// A change of the list of those whose mail a peer takes.
package enum CapabilityChange: Hashable, Sendable {
    /// These and no others.
    case replace([CapabilityDigest])
    case add([CapabilityDigest])
    case remove([CapabilityDigest])
}
