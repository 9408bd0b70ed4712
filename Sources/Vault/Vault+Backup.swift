import Foundation
import GRDB

extension Vault {
    /// Copies the vault, as it is at one moment, into a new file, while it is in use. The copy is sealed as the vault is: only the same identity can open it.
    ///
    /// To restore it, put it in the vault's place while no process has that open. Its ratchet states are old then; ``VaultReader/wasRestored()`` tells.
    ///
    /// - Throws: ``VaultError/exists(path:)`` and what reading and writing can fail with.
    package func backup(to path: String) throws(VaultError) {
        let unfinished = path + ".new"
        guard access(path, F_OK) != 0 else { throw .exists(path: path) }
        VaultFiles.remove(unfinished)
        try VaultFiles.createEmpty(unfinished)
        do {
            let source = try connections.makeReader()
            defer { try? source.close() }
            let copy = try DatabaseQueue(
                path: unfinished,
                configuration: VaultConnections.configuration(readOnly: false, busySeconds: Self.busySeconds))
            defer { try? copy.close() }
            try source.backup(to: copy)
            try copy.writeWithoutTransaction { database in
                try SQLSession(database).execute(
                    "INSERT INTO counter (id, value) VALUES (\(Counter.restored.rawValue), 1) "
                        + "ON CONFLICT (id) DO UPDATE SET value = 1")
            }
        } catch {
            VaultFiles.remove(unfinished)
            throw VaultError(translating: error)
        }
        try VaultFiles.publish(unfinished, as: path)
    }
}

extension VaultReader {
    /// Whether this vault is a backup that was put in its place: what happened after the backup is missing, so ratchet states must not be used for sending.
    package func wasRestored() throws(VaultError) -> Bool {
        let row = try session.row("SELECT value FROM counter WHERE id = \(Counter.restored.rawValue)")
        return try row?.integer(0) == 1
    }
}

extension VaultTransaction {
    /// Notes that the consequences of ``VaultReader/wasRestored()`` were drawn.
    package func acknowledgeRestoration() throws(VaultError) {
        try execute("DELETE FROM counter WHERE id = \(Counter.restored.rawValue)")
    }
}
