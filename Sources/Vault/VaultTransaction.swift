/// One state of the vault, for reading. Not to be kept: it is valid during the call that it is given to.
///
/// The operations are extensions, one file for each group of tables. They throw ``VaultError/damaged(detail:)`` for cells that were changed or moved, and what
/// SQLite reports.
package class VaultReader {
    let session: SQLSession
    let keys: VaultKeys

    init(session: SQLSession, keys: VaultKeys) {
        self.session = session
        self.keys = keys
    }
}

@available(*, unavailable)
extension VaultReader: Sendable {}

/// A unit of work that is being carried out: everything done through it is stored together, or nothing of it.
package final class VaultTransaction: VaultReader {
    /// Tables whose row numbers are part of what seals their cells, so that they must be known before.
    enum NumberedTable: String {
        case contact
        case setting
        case invite
        case history
        case outbox
    }

    /// What the search index must learn after the commit.
    var searchChanges: [SearchChange] = []
    /// Contacts, settings or invites were changed.
    var bookChanged = false
    /// Something that is not to be found any more was deleted: old pages should leave the log soon.
    var hasDeleted = false
    /// Roughly how many bytes go into the log.
    var written = 0
    private var lastNumbers: [NumberedTable: Int64] = [:]

    /// The number of the next row of a table. Never one that was used before.
    func nextNumber(_ table: NumberedTable) throws(VaultError) -> Int64 {
        var last = lastNumbers[table]
        if last == nil {
            let row = try session.row(
                "SELECT max((SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = '\(table.rawValue)'), "
                    + "(SELECT coalesce(max(id), 0) FROM \(table.rawValue)))")
            last = try row?.integer(0)
        }
        let (next, overflow) = (last ?? 0).addingReportingOverflow(1)
        guard !overflow else { throw .damaged(detail: "row numbers are used up") }
        lastNumbers[table] = next
        return next
    }

    /// Runs a statement that writes.
    func execute(_ sql: String, _ arguments: [SQLValue] = []) throws(VaultError) {
        for case .blob(let bytes) in arguments { written += bytes.count }
        try session.execute(sql, arguments)
    }

    /// What belongs to the end of each unit.
    func finishUnit() throws(VaultError) {
        if bookChanged {
            try session.execute("UPDATE counter SET value = value + 1 WHERE id = \(Counter.book.rawValue)")
        }
        bookChanged = false
    }
}

/// Counters that tell one process what another has done.
enum Counter: Int {
    /// Contacts, settings and invites.
    case book = 1
    /// Texts of messages that were already there.
    case edits = 2
    /// Present and 1 in a backup.
    case restored = 3
}
