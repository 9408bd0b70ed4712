import Wire

// Reserved names begin with a dot: they belong to this device and are never exported.

extension VaultReader {
    /// A setting, as the caller encoded it; `nil` when it was never set.
    package func setting(_ name: String) throws(VaultError) -> [UInt8]? {
        let lookup = keys.blind(.settingName, Array(name.utf8))
        guard let row = try session.row("SELECT id, record FROM setting WHERE lookup = ?", [.blob(lookup)]) else {
            return nil
        }
        let (found, value) = try setting(row)
        guard found == name else { throw .damaged(detail: "setting.lookup, row \(try row.integer(0))") }
        return value
    }

    /// A setting that is text.
    package func textSetting(_ name: String) throws(VaultError) -> String? {
        guard let bytes = try setting(name) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// All settings, by name.
    func settings() throws(VaultError) -> [(name: String, value: [UInt8])] {
        var settings: [(name: String, value: [UInt8])] = []
        for row in try session.rows("SELECT id, record FROM setting ORDER BY id") { settings.append(try setting(row)) }
        return settings
    }

    /// Opens the setting in a row, and checks that it is found under its name.
    func setting(row number: Int64) throws(VaultError) -> [UInt8]? {
        let row = try session.row("SELECT id, record, lookup FROM setting WHERE id = ?", [.integer(number)])
        guard let row else { return nil }
        let (name, value) = try setting(row)
        guard try row.blob(2) == keys.blind(.settingName, Array(name.utf8)) else {
            throw .damaged(detail: "setting.lookup, row \(number)")
        }
        return value
    }

    private func setting(_ row: SQLRow) throws(VaultError) -> (name: String, value: [UInt8]) {
        let content = try keys.open(try row.blob(1), .settingRecord, row: try row.integer(0))
        var reader = RecordReader(content)
        var name = ""
        var value: [UInt8] = []
        while let (tag, field) = try reader.next() {
            switch tag {
            case 1: name = try field.recordText()
            case 2: value = Array(field)
            default: break
            }
        }
        return (name, value)
    }
}

extension VaultTransaction {
    /// Stores a setting; `nil` removes it.
    package func setSetting(_ name: String, _ value: [UInt8]?) throws(VaultError) {
        let lookup = keys.blind(.settingName, Array(name.utf8))
        bookChanged = true
        guard let value else {
            return try execute("DELETE FROM setting WHERE lookup = ?", [.blob(lookup)])
        }
        var record = RecordWriter()
        record.write(1, Array(name.utf8))
        record.write(2, value)
        let content = record.finish()
        if let known = try session.row("SELECT id FROM setting WHERE lookup = ?", [.blob(lookup)])?.integer(0) {
            try execute(
                "UPDATE setting SET record = ? WHERE id = ?",
                [.blob(keys.seal(content, .settingRecord, row: known)), .integer(known)])
        } else {
            let number = try nextNumber(.setting)
            try execute(
                "INSERT INTO setting (id, lookup, record) VALUES (?, ?, ?)",
                [.integer(number), .blob(lookup), .blob(keys.seal(content, .settingRecord, row: number))])
        }
    }

    /// Stores a setting that is text; `nil` removes it.
    package func setTextSetting(_ name: String, _ value: String?) throws(VaultError) {
        try setSetting(name, value.map { Array($0.utf8) })
    }
}
