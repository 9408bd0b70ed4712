import Identity
import Vault

// The contact book in the vault: contacts have a table of their own, the rest are settings.

extension ContactBook {
    private enum Setting {
        static let name = "name"
        static let server = "server"
        static let readReceipts = "read-receipts"
        static let typing = "typing"
    }

    /// Reads the book. Throws `VaultError`.
    init(reading reader: VaultReader) throws(VaultError) {
        guard let server = try reader.textSetting(Setting.server) else {
            throw .damaged(detail: "the setting 'server' is missing")
        }
        self.init(
            ownName: try reader.textSetting(Setting.name) ?? "", server: server,
            contacts: try reader.contacts().map { Contact($0) })
        sendsReadReceipts = try reader.textSetting(Setting.readReceipts) != "off"
        sendsTyping = try reader.textSetting(Setting.typing) != "off"
    }

    /// Stores what is different from `before`, the book as it was read in the same unit of work. `now` is in milliseconds since 1970.
    func write(to vault: VaultTransaction, before: ContactBook?, now: UInt64) throws(VaultError) {
        if ownName != before?.ownName { try vault.setTextSetting(Setting.name, ownName) }
        if server != before?.server { try vault.setTextSetting(Setting.server, server) }
        if sendsReadReceipts != before?.sendsReadReceipts ?? true {
            try vault.setTextSetting(Setting.readReceipts, sendsReadReceipts ? nil : "off")
        }
        if sendsTyping != before?.sendsTyping ?? true {
            try vault.setTextSetting(Setting.typing, sendsTyping ? nil : "off")
        }
        let known = Dictionary(uniqueKeysWithValues: (before?.contacts ?? []).map { ($0.peer, $0) })
        for contact in contacts where known[contact.peer] != contact {
            if let row = contact.row, var stored = try vault.contact(row) {
                contact.write(to: &stored)
                try vault.updateContact(stored)
            } else {
                var stored = StoredContact(peer: contact.peer, name: contact.name, createdAt: now)
                contact.write(to: &stored)
                try vault.insertContact(stored)
            }
        }
        let kept = Set(contacts.map(\.peer))
        for contact in before?.contacts ?? [] where !kept.contains(contact.peer) {
            if let row = contact.row { try vault.removeContact(row) }
        }
    }
}
