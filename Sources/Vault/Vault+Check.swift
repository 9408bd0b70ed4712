extension Vault {
    /// No more problems than these are listed.
    package static let maximumProblems = 100

    /// Reads everything and says what is wrong, a sentence each, naming places and no content. Empty when the vault is whole.
    ///
    /// Checks SQLite's own structures, that rows belong together, and that every sealed cell opens in its place and is found under its index.
    ///
    /// - Throws: ``VaultError`` when the file cannot be read at all.
    package func check() throws -> [String] {
        try connections.read { session in
            let check = VaultCheck(reader: VaultReader(session: session, keys: keys))
            check.run()
            return check.problems
        }
    }
}

/// One run of ``Vault/check()``.
private final class VaultCheck {
    let reader: VaultReader
    private(set) var problems: [String] = []

    init(reader: VaultReader) { self.reader = reader }

    private func note(_ problem: String) {
        if problems.count < Vault.maximumProblems, !problems.contains(problem) { problems.append(problem) }
    }

    /// Goes on after a problem, so that one run tells all.
    private func attempt(_ body: () throws(VaultError) -> Void) {
        do throws(VaultError) { try body() } catch { note("\(error)") }
    }

    func run() {
        let session = reader.session
        for row in rows("PRAGMA integrity_check(\(Vault.maximumProblems))") where row.text(0) != "ok" {
            note(row.text(0) == nil ? "SQLite: something is wrong" : "SQLite: the file's structure is damaged")
        }
        if !rows("PRAGMA foreign_key_check").isEmpty { note("rows belong to contacts that are not there") }
        attempt { () throws(VaultError) in _ = try VaultHeader(reading: session) }
        attempt { () throws(VaultError) in _ = try reader.prekeys() }
        attempt { () throws(VaultError) in _ = try reader.mailBookkeeping() }
        each("setting") { (row) throws(VaultError) in _ = try reader.setting(row: row) }
        each("contact") { (row) throws(VaultError) in
            guard let contact = try reader.contact(ContactRow(row)) else { return }
            guard try reader.contact(contact.peer)?.row == contact.row else {
                throw .damaged(detail: "contact.lookup, row \(row)")
            }
        }
        each("invite") { (row) throws(VaultError) in _ = try reader.invite(row: row) }
        each("history") { (row) throws(VaultError) in _ = try reader.message(row: row) }
        let positions =
            "SELECT id, position FROM history WHERE abs(position / 2) >= \(HistoryOrder.limit / 2) LIMIT 100"
        for row in rows(positions) {
            attempt { () throws(VaultError) in
                throw .damaged(detail: "history.position, row \(try row.integer(0))")
            }
        }
        each("outbox") { (row) throws(VaultError) in _ = try reader.outboxEntry(row: row) }
        each("ratchet", key: "contact") { (row) throws(VaultError) in _ = try reader.ratchet(of: ContactRow(row)) }
    }

    private func rows(_ sql: String) -> [SQLRow] {
        var rows: [SQLRow] = []
        attempt { () throws(VaultError) in rows = try reader.session.rows(sql) }
        return rows
    }

    /// Calls `body` with every row's number, in parts, so that a damaged page hides no more than itself.
    private func each(_ table: String, key: String = "id", _ body: (Int64) throws(VaultError) -> Void) {
        var last = Int64.min
        while problems.count < Vault.maximumProblems {
            let part = rows("SELECT \(key) FROM \(table) WHERE \(key) > \(last) ORDER BY \(key) LIMIT 1000")
            var numbers: [Int64] = []
            for row in part { attempt { () throws(VaultError) in numbers.append(try row.integer(0)) } }
            for number in numbers { attempt { () throws(VaultError) in try body(number) } }
            guard part.count == 1000, let end = numbers.last, end > last else { return }
            last = end
        }
    }
}
