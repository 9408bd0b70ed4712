// Where a message stands in its conversation: where it arrived, unless its sender wrote it before something of theirs that is there already.

/// The order of a conversation: a number for each message, with room between them for what comes late.
enum HistoryOrder {
    /// From one message to the next.
    static let step: Int64 = 1 << 20
    /// So far the end of a conversation is moved on when there is no room left between two.
    static let room: Int64 = 1 << 32
    /// Positions beyond this were never given: they stand in the clear, and somebody has changed one. No sum or difference of two that are not overflows.
    static let limit: Int64 = 1 << 61
    /// So many of a contact's last messages are opened for one that comes late, and so many rows of the conversation are looked at: whatever somebody
    /// sends, and in whichever order, no more than these are read or moved.
    static let reach = (messages: 128, rows: 512)
    /// A sequence number follows its sender's clock, in microseconds; one that is further ahead of ours says nothing, in milliseconds.
    static let tolerance: UInt64 = 86_400_000

    static func isPossible(_ position: Int64) -> Bool { position.magnitude < limit.magnitude }
}

extension StoredMessage {
    /// ``sequence``, or 0 if it is not believed: nothing comes to stand before such a message, or it before another.
    fileprivate var believedSequence: UInt64 {
        let latest = storedAt.addingReportingOverflow(HistoryOrder.tolerance)
        let bound = latest.partialValue.multipliedReportingOverflow(by: 1000)
        return latest.overflow || bound.overflow || sequence <= bound.partialValue ? sequence : 0
    }
}

extension VaultTransaction {
    /// The position of a message that is about to be stored.
    func position(for message: StoredMessage) throws(VaultError) -> Int64 {
        let end = try last(of: message.contact)?.position ?? 0
        guard message.direction == .incoming, let follower = try follower(of: message) else {
            return end + HistoryOrder.step
        }
        return try position(before: follower, message.contact)
    }

    /// The position of a message that stands at `present` already, and of which only now is known what its sender wrote before it. Never further down.
    func position(for message: StoredMessage, from present: Int64) throws(VaultError) -> Int64 {
        guard message.direction == .incoming, try last(of: message.contact) != nil,
            let follower = try follower(of: message), follower.position < present
        else { return present }
        return try position(before: follower, message.contact)
    }

    /// A row and where it stands.
    private struct Place {
        let row: Int64
        let position: Int64

        /// - Parameter columns: id and position.
        init(_ columns: SQLRow) throws(VaultError) {
            row = try columns.integer(0)
            position = try columns.integer(1)
            guard HistoryOrder.isPossible(position) else { throw .damaged(detail: "history.position, row \(row)") }
        }
    }

    private func last(of contact: ContactRow) throws(VaultError) -> Place? {
        let row = try session.row(
            "SELECT id, position FROM history WHERE contact = ? ORDER BY position DESC LIMIT 1",
            [.integer(contact.number)])
        guard let row else { return nil }
        return try Place(row)
    }

    /// The earliest of the sender's last messages that were all written after this one.
    private func follower(of message: StoredMessage) throws(VaultError) -> Place? {
        let sequence = message.believedSequence
        guard sequence > 0 else { return nil }
        var follower: Place?
        var (seen, opened) = (0, 0)
        while seen < HistoryOrder.reach.rows {
            // The last message alone is nearly always enough.
            let count = seen == 0 ? 1 : 64
            let rows = try session.rows(
                "SELECT id, position, state FROM history WHERE contact = ? ORDER BY position DESC LIMIT ? OFFSET ?",
                [.integer(message.contact.number), .integer(Int64(count)), .integer(Int64(seen))])
            for row in rows where try row.integer(2) < StoredMessage.State.queued.rawValue {
                let place = try Place(row)
                if place.row == message.row { continue }
                guard opened < HistoryOrder.reach.messages, try sequenceOfNeighbour(place.row) > sequence else {
                    return follower
                }
                opened += 1
                follower = place
            }
            guard rows.count == count else { break }
            seen += count
        }
        return follower
    }

    /// What is believed of the message in a row; 0, and so the end of the search, when that cannot be opened: its damage is not the new message's.
    private func sequenceOfNeighbour(_ row: Int64) throws(VaultError) -> UInt64 {
        do throws(VaultError) {
            return try message(row: row)?.believedSequence ?? 0
        } catch .damaged {
            return 0
        }
    }

    /// A position right before a message, among the last ``HistoryOrder/reach`` rows of its conversation.
    private func position(before follower: Place, _ contact: ContactRow) throws(VaultError) -> Int64 {
        let row = try session.row(
            "SELECT id, position FROM history WHERE contact = ? AND position < ? ORDER BY position DESC LIMIT 1",
            [.integer(contact.number), .integer(follower.position)])
        var upper = follower.position
        guard let row else { return upper - HistoryOrder.step }
        let lower = try Place(row)
        if upper - lower.position < 2 {
            try execute(
                "UPDATE history SET position = position + ? WHERE contact = ? AND position >= ?",
                [.integer(HistoryOrder.room), .integer(contact.number), .integer(upper)])
            upper += HistoryOrder.room
        }
        // Many come late one after the other: beside the one before them, so that they do not halve what room there is.
        let distance = min((upper - lower.position) / 2, HistoryOrder.step)
        return lower.row > follower.row ? lower.position + distance : upper - distance
    }
}

extension VaultReader {
    /// The sequence number of the last message of the user to a contact; 0 if there is none.
    package func lastSequence(to contact: ContactRow) throws(VaultError) -> UInt64 {
        let row = try session.row(
            "SELECT id FROM history WHERE contact = ? AND state >= ? ORDER BY position DESC LIMIT 1",
            [.integer(contact.number), .integer(StoredMessage.State.queued.rawValue)])
        guard let row else { return 0 }
        return try message(row: try row.integer(0))?.sequence ?? 0
    }
}
