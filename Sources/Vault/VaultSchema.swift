/// The tables, and how a vault of an earlier version becomes one of this.
///
/// A step never changes once it was released: what comes later is a step of its own. Each runs in the transaction that also raises the
/// version, so that after a crash a vault has the old form or the new. A step that changes the form of a sealed column reseals its cells and
/// enters its own version in ``SealedColumn/place``.
struct VaultSchema: Sendable {
    /// What one step does.
    typealias Step = @Sendable (SQLSession, VaultKeys) throws(VaultError) -> Void

    /// The step at index n makes version n + 1 of version n.
    let steps: [Step]

    /// The version that the steps lead to.
    var version: Int { steps.count }

    /// What this program writes.
    static let current = VaultSchema(steps: [version1])

    /// "SOTV": what `PRAGMA application_id` says in a vault.
    static let applicationID: Int64 = 0x534F_5456

    /// The version of the file.
    static func version(of session: SQLSession) throws(VaultError) -> Int {
        guard let row = try session.row("PRAGMA user_version"), let version = Int(exactly: try row.integer(0)) else {
            throw .damaged(detail: "it has no version")
        }
        return version
    }

    /// Brings the file from its version to that of the schema.
    ///
    /// - Throws: ``VaultError/newerVersion(_:)``, and nothing was changed.
    func migrate(_ session: SQLSession, keys: VaultKeys) throws(VaultError) {
        let found = try Self.version(of: session)
        guard found <= version else { throw .newerVersion(found) }
        guard found >= 0 else { throw .damaged(detail: "its version makes no sense") }
        guard found < version else { return }
        // Another process may have been faster: the version is looked at again under the lock.
        try session.execute("BEGIN IMMEDIATE")
        do throws(VaultError) {
            let start = try Self.version(of: session)
            guard (0...version).contains(start) else { throw .newerVersion(start) }
            for next in start..<version {
                try steps[next](session, keys)
                try session.executeScript("PRAGMA user_version = \(next + 1)")
            }
            try session.execute("COMMIT")
        } catch {
            if session.isInsideTransaction { try? session.execute("ROLLBACK") }
            throw error
        }
    }

    /// Rows are numbered by AUTOINCREMENT where a sealed cell's place is its row number: a number is never used again, so that an old
    /// cell fits nowhere.
    private static let version1: Step = { (session, _) throws(VaultError) in
        try session.executeScript(
            """
            CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;
            INSERT INTO counter (id, value) VALUES (1, 0), (2, 0);

            CREATE TABLE contact (
                id INTEGER PRIMARY KEY AUTOINCREMENT, lookup BLOB NOT NULL UNIQUE, record BLOB NOT NULL) STRICT;
            CREATE TABLE setting (
                id INTEGER PRIMARY KEY AUTOINCREMENT, lookup BLOB NOT NULL UNIQUE, record BLOB NOT NULL) STRICT;
            CREATE TABLE invite (
                id INTEGER PRIMARY KEY AUTOINCREMENT, lookup BLOB NOT NULL UNIQUE, record BLOB NOT NULL) STRICT;

            CREATE TABLE history (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                contact INTEGER NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
                lookup BLOB NOT NULL UNIQUE, position INTEGER NOT NULL, state INTEGER NOT NULL, expires INTEGER,
                body BLOB NOT NULL) STRICT;
            CREATE INDEX history_contact ON history (contact, position);
            CREATE INDEX history_unread ON history (contact, id) WHERE state = 0;
            CREATE INDEX history_expires ON history (expires) WHERE expires IS NOT NULL;

            CREATE TABLE outbox (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                contact INTEGER NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
                lookup BLOB NOT NULL UNIQUE, mailed INTEGER NOT NULL, record BLOB NOT NULL, payload BLOB NOT NULL) STRICT;
            CREATE INDEX outbox_contact ON outbox (contact, id);

            CREATE TABLE envelope (lookup BLOB NOT NULL PRIMARY KEY, day INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE INDEX envelope_day ON envelope (day);
            CREATE TABLE gone (lookup BLOB NOT NULL PRIMARY KEY, day INTEGER NOT NULL) STRICT, WITHOUT ROWID;
            CREATE INDEX gone_day ON gone (day);

            CREATE TABLE ratchet (
                contact INTEGER PRIMARY KEY REFERENCES contact (id) ON DELETE CASCADE, state BLOB NOT NULL) STRICT;
            CREATE TABLE prekeys (id INTEGER PRIMARY KEY CHECK (id = 1), state BLOB NOT NULL) STRICT;
            """)
    }
}
