/// The tables of the store.
enum MailboxSchema {
    /// "SOTM": what `PRAGMA application_id` says.
    static let applicationID: Int64 = 0x534F_544D
    /// The version of the tables that this program writes.
    static let version = 1

    /// - `box`: a peer who has registered or published something. `seen`: the day on which it last logged in, in milliseconds since 1970. `peer`: its name under the key of the folder. `items`, `bytes`, `requests`: what waits
    ///   in `mail`, kept by the triggers.
    /// - `capability`: whose mail a peer takes, and what of it waits. A row that is not registered any more goes with the last mail.
    /// - `mail`: what waits; `digest` is that of the capability, zeros for requests. Numbers are never used again.
    /// - `prekeys`, `one_time`: what a peer has published.
    static let tables = """
        CREATE TABLE header (
            id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, generation BLOB NOT NULL,
            key BLOB NOT NULL) STRICT;
        CREATE TABLE box (
            id INTEGER PRIMARY KEY AUTOINCREMENT, peer BLOB NOT NULL UNIQUE, seen INTEGER NOT NULL,
            items INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
            requests INTEGER NOT NULL DEFAULT 0) STRICT;
        CREATE INDEX box_by_seen ON box (seen);
        CREATE TABLE capability (
            box INTEGER NOT NULL, digest BLOB NOT NULL, registered INTEGER NOT NULL,
            items INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (box, digest)) STRICT, WITHOUT ROWID;
        CREATE TABLE mail (
            id INTEGER PRIMARY KEY AUTOINCREMENT, box INTEGER NOT NULL, digest BLOB NOT NULL,
            stored INTEGER NOT NULL, expires INTEGER NOT NULL, envelope BLOB NOT NULL) STRICT;
        CREATE INDEX mail_of_box ON mail (box);
        CREATE INDEX mail_by_expiry ON mail (expires);
        CREATE TABLE prekeys (box INTEGER PRIMARY KEY, batch BLOB NOT NULL, signed BLOB NOT NULL) STRICT;
        CREATE TABLE one_time (id INTEGER PRIMARY KEY, box INTEGER NOT NULL, record BLOB NOT NULL) STRICT;
        CREATE INDEX one_time_of_box ON one_time (box);

        CREATE TRIGGER mail_stored AFTER INSERT ON mail BEGIN
            UPDATE box SET items = items + 1, bytes = bytes + length(new.envelope),
                requests = requests + (new.digest = zeroblob(16)) WHERE id = new.box;
            UPDATE capability SET items = items + 1, bytes = bytes + length(new.envelope)
                WHERE box = new.box AND digest = new.digest;
        END;
        CREATE TRIGGER mail_gone AFTER DELETE ON mail BEGIN
            UPDATE box SET items = items - 1, bytes = bytes - length(old.envelope),
                requests = requests - (old.digest = zeroblob(16)) WHERE id = old.box;
            UPDATE capability SET items = items - 1, bytes = bytes - length(old.envelope)
                WHERE box = old.box AND digest = old.digest;
            DELETE FROM capability WHERE box = old.box AND digest = old.digest AND registered = 0 AND items <= 0;
        END;
        """

    /// Makes the tables in a new file, or checks those of an old one. Returns the generation.
    ///
    /// - Throws: ``MailboxError/newerVersion(_:)``, ``MailboxError/damaged(_:)`` and what the disk may say; nothing was changed then.
    static func prepare(_ session: MailboxSession, _ key: MailboxKey) throws(MailboxError) -> [UInt8] {
        let application = try session.row("PRAGMA application_id")?.integer(0)
        let isEmpty = try session.row("SELECT count(*) FROM sqlite_master")?.integer(0) == 0
        if application == 0, isEmpty { try create(session, key) }
        guard try session.row("PRAGMA application_id")?.integer(0) == applicationID else {
            throw .damaged("it is no mailbox")
        }
        guard let header = try session.row("SELECT version, generation, key FROM header WHERE id = 1") else {
            throw .damaged("it has no header")
        }
        let version = try header.count(0)
        guard version <= Self.version else { throw .newerVersion(version) }
        guard version == Self.version else { throw .damaged("its version makes no sense") }
        let generation = try header.blob(1)
        guard generation.count == 16 else { throw .damaged("its header makes no sense") }
        guard try header.blob(2) == key.check else { throw .damaged("mailbox.key is another store's") }
        return generation
    }

    /// All of it or nothing: what a crash leaves is an empty file, which is made anew.
    private static func create(_ session: MailboxSession, _ key: MailboxKey) throws(MailboxError) {
        try session.executeScript("BEGIN IMMEDIATE")
        do throws(MailboxError) {
            try session.executeScript("PRAGMA application_id = \(applicationID)")
            try session.executeScript(tables)
            try session.execute(
                "INSERT INTO header (id, version, generation, key) VALUES (1, ?, ?, ?)",
                [.integer(Int64(version)), .blob(RandomBytes.make(16)), .blob(key.check)])
            try session.executeScript("COMMIT")
        } catch {
            if session.isInsideTransaction { try? session.executeScript("ROLLBACK") }
            throw error
        }
    }
}
