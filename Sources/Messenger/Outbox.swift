import Vault
import Wire

/// What waits for one contact, in the order of writing, as the vault has it or will have it in a moment.
///
/// Ciphertexts are kept in memory only as far as ``memoryLimit`` goes; the vault has them all.
struct Outbox {
    /// More messages than this do not wait for one contact.
    static let limit = 10_000
    /// Bytes of ciphertext that are kept in memory for one contact.
    static let memoryLimit = 4 << 20

    struct Entry {
        /// Its row in the vault, as soon as that is known.
        var row: Int64?
        /// Names the ciphertext; of what is not encrypted yet, 16 random bytes.
        var envelope: [UInt8]
        /// The message in the history that it carries, if it carries one.
        let messageID: MessageID?
        /// As in ``MessageContent``.
        let kind: UInt8
        /// There is a ciphertext.
        var isEncrypted: Bool
        /// The vault has it: it may leave.
        var isStored: Bool
        /// The receiver's mailbox has it.
        var isMailed: Bool
        /// The ciphertext, unless only the vault has it.
        var ciphertext: [UInt8]?
    }

    private(set) var entries: [Entry] = []
    private var names: Set<[UInt8]> = []
    /// The first so many were handed to the session that is open now.
    private(set) var sentCount = 0
    private var bytes = 0
    private var unencryptedCount = 0
    /// The first so many, at least, are in the mailbox.
    private var mailedCount = 0

    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }
    /// Messages of the user among what waits.
    var messageCount: Int { entries.count { $0.messageID != nil } }
    /// Something waits for a ratchet session.
    var hasUnencrypted: Bool { unencryptedCount > 0 }
    /// Something is neither confirmed nor in the mailbox.
    var hasUnmailed: Bool { entries[mailedCount...].contains { !$0.isMailed } }

    mutating func append(_ entry: Entry) {
        var entry = entry
        if let ciphertext = entry.ciphertext {
            if bytes + ciphertext.count > Self.memoryLimit {
                entry.ciphertext = entry.isStored ? nil : ciphertext
            }
            bytes += entry.ciphertext?.count ?? 0
        }
        if !entry.isEncrypted { unencryptedCount += 1 }
        names.insert(entry.envelope)
        entries.append(entry)
    }

    /// The vault has the entry now.
    mutating func stored(_ envelope: [UInt8], row: Int64? = nil) {
        guard let index = lastIndex(of: envelope) else { return }
        if let row { entries[index].row = row }
        entries[index].isStored = true
        if bytes > Self.memoryLimit, let ciphertext = entries[index].ciphertext {
            bytes -= ciphertext.count
            entries[index].ciphertext = nil
        }
    }

    mutating func mailed(_ envelope: [UInt8]) {
        guard let index = entries[mailedCount...].firstIndex(where: { $0.envelope == envelope }) else { return }
        entries[index].isMailed = true
        while mailedCount < entries.count, entries[mailedCount].isMailed { mailedCount += 1 }
    }

    mutating func nothingIsMailed() {
        mailedCount = 0
        for index in entries.indices { entries[index].isMailed = false }
    }

    /// Another ciphertext takes an entry's place in the order; `isEncrypted` tells whether there is one already.
    mutating func replace(_ envelope: [UInt8], by new: [UInt8], ciphertext: [UInt8]?, isStored: Bool) {
        guard let index = entries.firstIndex(where: { $0.envelope == envelope }) else { return }
        bytes += (ciphertext?.count ?? 0) - (entries[index].ciphertext?.count ?? 0)
        unencryptedCount += (ciphertext == nil ? 1 : 0) - (entries[index].isEncrypted ? 0 : 1)
        names.remove(envelope)
        names.insert(new)
        entries[index].envelope = new
        entries[index].ciphertext = ciphertext
        entries[index].isEncrypted = ciphertext != nil
        entries[index].isStored = isStored
        entries[index].isMailed = false
        sentCount = min(sentCount, index)
        mailedCount = min(mailedCount, index)
    }

    /// Takes entries out: they were confirmed. Returns those that were there.
    @discardableResult
    mutating func remove(_ envelopes: Set<[UInt8]>) -> [Entry] {
        var removed: [Entry] = []
        var sent = sentCount
        for (index, entry) in entries.enumerated() where envelopes.contains(entry.envelope) {
            removed.append(entry)
            if index < sentCount { sent -= 1 }
            bytes -= entry.ciphertext?.count ?? 0
            if !entry.isEncrypted { unencryptedCount -= 1 }
        }
        guard !removed.isEmpty else { return [] }
        names.subtract(envelopes)
        entries.removeAll { envelopes.contains($0.envelope) }
        sentCount = sent
        mailedCount = entries.firstIndex { !$0.isMailed } ?? entries.count
        return removed
    }

    // MARK: Sending

    /// A new session: everything goes through it, from the first on.
    mutating func beginSession() { sentCount = 0 }

    /// What the session gets next; `nil` when there is nothing, or it must wait to be encrypted or stored.
    var nextToSend: Entry? {
        guard sentCount < entries.count else { return nil }
        let entry = entries[sentCount]
        return entry.isStored && entry.isEncrypted ? entry : nil
    }

    mutating func handedOver() { sentCount += 1 }

    /// What the mailbox gets next, besides what is on its way to it.
    ///
    /// - Parameter kind: of this kind only; `nil` for all.
    func nextToMail(besides outstanding: Set<[UInt8]>, only kind: UInt8?) -> Entry? {
        let next = entries[mailedCount...].first {
            !$0.isMailed && (kind == nil || $0.kind == kind) && !outstanding.contains($0.envelope)
        }
        guard let next, next.isStored, next.isEncrypted else { return nil }
        return next
    }

    /// Of the first `count` entries that wait for a ratchet session, the envelope names.
    func unencrypted(_ count: Int) -> [[UInt8]] {
        entries.lazy.filter { !$0.isEncrypted && $0.isStored }.prefix(count).map(\.envelope)
    }

    func contains(_ envelope: [UInt8]) -> Bool { names.contains(envelope) }

    private func lastIndex(of envelope: [UInt8]) -> Int? { entries.lastIndex { $0.envelope == envelope } }
}
