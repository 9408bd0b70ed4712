// Layout: ufrag (u16 length, text), password (u16 length, text).

/// The user fragment and password of one side of an ICE session (RFC 8445 §5.3).
package struct ICECredentials: Hashable, Sendable, CustomStringConvertible {
    /// 4 to 256 ice-chars.
    package let ufrag: String
    /// 22 to 256 ice-chars. Secret: whoever has it can answer connectivity checks.
    package let password: String

    /// Throws `lengthOutOfRange` for lengths outside 4…256 and 22…256, and `invalidText` for characters other than
    /// ice-chars (letters, digits, `+`, `/`; RFC 8839 §5.4).
    package init(ufrag: String, password: String) throws(WireError) {
        guard (4...256).contains(ufrag.utf8.count), (22...256).contains(password.utf8.count) else {
            throw .lengthOutOfRange
        }
        guard ufrag.utf8.allSatisfy(isICEChar), password.utf8.allSatisfy(isICEChar) else { throw .invalidText }
        self.ufrag = ufrag
        self.password = password
    }

    /// The user fragment alone.
    package var description: String { "ICECredentials(ufrag: \(ufrag))" }
}

/// ice-char of RFC 8839 §5.1: ALPHA / DIGIT / "+" / "/".
func isICEChar(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
}

extension ByteReader {
    /// ICE credentials; throws as `ICECredentials.init` does.
    package mutating func readICECredentials() throws(WireError) -> ICECredentials {
        let ufrag = try readText(Int(readUInt16()))
        let password = try readText(Int(readUInt16()))
        return try ICECredentials(ufrag: ufrag, password: password)
    }
}

extension ByteWriter {
    /// ICE credentials.
    package mutating func write(_ credentials: ICECredentials) {
        for text in [credentials.ufrag, credentials.password] {
            write(UInt16(truncatingIfNeeded: text.utf8.count))
            write(text.utf8)
        }
    }
}
