import GRDB
import Testing

@testable import Vault

/// Vaults of every version become vaults of the newest, and newer ones are left alone.
@Suite struct SchemaTests {
    // What later versions might do: a column, and a table with sealed content from another.

    private static let addColumn: VaultSchema.Step = { (session, keys) throws(VaultError) in
        try session.executeScript("ALTER TABLE contact ADD COLUMN extra INTEGER NOT NULL DEFAULT 7")
    }

    private static let addSummary: VaultSchema.Step = { (session, keys) throws(VaultError) in
        try session.executeScript("CREATE TABLE summary (id INTEGER PRIMARY KEY, names BLOB NOT NULL) STRICT")
        let names = try VaultReader(session: session, keys: keys).contacts().map(\.name).joined(separator: ",")
        try session.execute(
            "INSERT INTO summary (id, names) VALUES (1, ?)",
            [.blob(keys.seal(Array(names.utf8), .settingRecord, row: 1))])
    }

    private static let failHalfway: VaultSchema.Step = { (session, keys) throws(VaultError) in
        try session.executeScript("CREATE TABLE half (id INTEGER)")
        throw .diskFull
    }

    private static var later: VaultSchema {
        VaultSchema(steps: VaultSchema.current.steps + [addColumn, addSummary])
    }

    private func schema(_ version: Int) -> VaultSchema { VaultSchema(steps: Array(Self.later.steps.prefix(version))) }

    @Test(arguments: 1...3, 1...3)
    func everyVersionBecomesEveryLaterOne(from: Int, to: Int) throws {
        let home = try TestHome()
        try Vault.create(at: home.directory, identity: home.identity, schema: schema(from))
        let contact = try StoredContact.sample("bob")
        let first = try Vault.open(at: home.directory, identity: home.identity, schema: schema(from))
        let bob = try first.writeAndWait { tx in
            let row = try tx.insertContact(contact)
            try tx.appendMessage(.sample(row, 1, "from long ago"))
            return row
        }
        first.close()
        guard to >= from else {
            let before = home.bytes()
            #expect(throws: VaultError.newerVersion(from)) {
                try Vault.open(at: home.directory, identity: home.identity, schema: schema(to))
            }
            #expect(home.bytes() == before)
            return
        }
        let second = try Vault.open(at: home.directory, identity: home.identity, schema: schema(to))
        #expect(try second.connections.read { session in try VaultSchema.version(of: session) } == to)
        #expect(try second.read { try $0.messages(with: bob, last: 5) }.map(\.text) == ["from long ago"])
        if from < 3, to == 3 {
            let names = try second.connections.read { session in
                try second.keys.open(
                    try #require(try session.row("SELECT names FROM summary")).blob(0), .settingRecord, row: 1)
            }
            #expect(names == Array("bob".utf8))
        }
        #expect(try second.check().isEmpty)
        second.close()
    }

    @Test func aStepThatFailsChangesNothing() throws {
        let home = try TestHome()
        try home.create().close()
        let broken = VaultSchema(steps: VaultSchema.current.steps + [Self.failHalfway])
        #expect(throws: VaultError.diskFull) {
            try Vault.open(at: home.directory, identity: home.identity, schema: broken)
        }
        let vault = try home.open()
        #expect(
            try vault.connections.read { session in try VaultSchema.version(of: session) }
                == VaultSchema.current.version)
        let half = try vault.connections.read { session in
            try session.row("SELECT 1 FROM sqlite_master WHERE name = 'half'") == nil
        }
        #expect(half)
    }

    @Test(arguments: [-1, 2, 1_000_000])
    func versionsThatAreNotOursAreRefused(version: Int) throws {
        let home = try TestHome()
        try home.create().close()
        let database = try DatabaseQueue(path: home.path)
        try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = \(version)") }
        try database.close()
        #expect(throws: VaultError.self) { try home.open() }
    }

    @Test func aDatabaseOfAnotherProgramIsRefused() throws {
        let home = try TestHome()
        let database = try DatabaseQueue(path: home.path)
        try database.writeWithoutTransaction { try $0.execute(sql: "CREATE TABLE notes (id INTEGER)") }
        try database.close()
        #expect(throws: VaultError.damaged(detail: "it is no vault")) { try home.open() }
    }
}
