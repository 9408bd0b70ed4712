/// What is to be remembered about the own server's mailbox.
package struct MailBookkeeping: Hashable, Sendable {
    /// The mailbox's generation when everything was published last (16 bytes); another one means that all must be published again.
    package var generation: [UInt8]?
    /// When the prekeys were published last, in milliseconds since 1970; zero for never.
    package var prekeysPublishedAt: UInt64 = 0
    /// A digest of the capabilities that the server was told, as the caller computes it; empty for none.
    package var capabilitiesDigest: [UInt8] = []
    /// When everything that waits was last given to the mailbox anew, in milliseconds since 1970; zero for never.
    package var renewedAt: UInt64 = 0

    package init() {}
}

extension VaultReader {
    /// What is remembered about the mailbox.
    package func mailBookkeeping() throws(VaultError) -> MailBookkeeping {
        var bookkeeping = MailBookkeeping()
        guard let bytes = try setting(MailBookkeeping.settingName) else { return bookkeeping }
        var reader = RecordReader(bytes)
        while let (tag, value) = try reader.next() {
            switch tag {
            case 1: bookkeeping.generation = Array(value)
            case 2: bookkeeping.prekeysPublishedAt = try value.recordInteger()
            case 3: bookkeeping.capabilitiesDigest = Array(value)
            case 4: bookkeeping.renewedAt = try value.recordInteger()
            default: break
            }
        }
        return bookkeeping
    }
}

extension VaultTransaction {
    /// Remembers it.
    package func setMailBookkeeping(_ bookkeeping: MailBookkeeping) throws(VaultError) {
        var record = RecordWriter()
        record.write(1, bookkeeping.generation)
        record.write(2, bookkeeping.prekeysPublishedAt)
        record.write(3, bookkeeping.capabilitiesDigest)
        record.write(4, bookkeeping.renewedAt)
        let known = bookChanged
        try setSetting(MailBookkeeping.settingName, record.finish())
        // Nobody who watches the book is interested in it.
        bookChanged = known
    }
}

extension MailBookkeeping {
    fileprivate static let settingName = ".mail"
}
