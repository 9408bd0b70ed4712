extension MessageContent {
    /// The padded bytes. Throws `lengthOutOfRange` or `invalidText` when a field breaks its limits.
    package func encode() throws(WireError) -> [UInt8] {
        let (version, kind, bytes) = try encodedBody()
        var writer = ByteWriter(capacity: Self.bucket(Self.headerSize + bytes.count))
        writer.write(version)
        writer.write(kind)
        try writer.write(id, exactly: Self.idByteCount)
        writer.write(sentAt)
        writer.write(sequence)
        writer.write(UInt32(truncatingIfNeeded: bytes.count))
        writer.write(bytes)
        let size = Self.bucket(writer.bytes.count)
        guard size <= Self.maximumSize else { throw .lengthOutOfRange }
        writer.write(repeatElement(0, count: size - writer.bytes.count))
        return writer.bytes
    }

    /// Reads content. What follows the body is padding and is not looked at. Throws when the fields that every version has are
    /// not there, or a known kind breaks its layout.
    package init(decoding bytes: [UInt8]) throws(WireError) {
        guard bytes.count <= Self.maximumSize else { throw .lengthOutOfRange }
        var reader = ByteReader(bytes)
        let version = try reader.readUInt8()
        let kind = try reader.readUInt8()
        id = Array(try reader.readBytes(Self.idByteCount))
        sentAt = try reader.readUInt64()
        sequence = try reader.readUInt64()
        guard let count = Int(exactly: try reader.readUInt32()) else { throw .lengthOutOfRange }
        let rest = try reader.readBytes(count)
        let known = version == Self.version ? try Self.decodeBody(kind, rest) : nil
        body = known ?? .unknown(version: version, kind: kind, bytes: Array(rest))
    }

    // MARK: Out

    private func encodedBody() throws(WireError) -> (version: UInt8, kind: UInt8, bytes: [UInt8]) {
        var writer = ByteWriter()
        var kind: UInt8 = 0
        switch body {
        case .text(let text, let answers, let expiresAfter):
            kind = 1
            writer.write(UInt8((answers == nil ? 0 : 1) | (expiresAfter == nil ? 0 : 2)))
            if let answers { try writer.write(answers, exactly: Self.idByteCount) }
            if let expiresAfter { writer.write(expiresAfter) }
            try writer.write(text, atMost: Self.maximumText)
        case .edit(let id, let text):
            kind = 2
            try writer.write(id, exactly: Self.idByteCount)
            try writer.write(text, atMost: Self.maximumText)
        case .delete(let id):
            kind = 3
            try writer.write(id, exactly: Self.idByteCount)
        case .reaction(let id, let text):
            kind = 4
            try writer.write(id, exactly: Self.idByteCount)
            try writer.write(text, atMost: Self.maximumReaction)
        case .delivered(let ids):
            kind = 5
            writer.write(UInt8(1))
            try writer.write(ids: ids)
        case .read(let ids):
            kind = 5
            writer.write(UInt8(2))
            try writer.write(ids: ids)
        case .retry(let ids):
            kind = 9
            try writer.write(ids: ids)
        case .unknown(let version, let kind, let bytes):
            return (version, kind, bytes)
        default:
            kind = try encodeAboutPeople(&writer)
        }
        return (Self.version, kind, writer.bytes)
    }

    private func encodeAboutPeople(_ writer: inout ByteWriter) throws(WireError) -> UInt8 {
        switch body {
        case .contactRequest(let name, let greeting, let capability):
            try writer.write(name: name, atMost: Self.maximumName)
            try writer.write(name: greeting, atMost: Self.maximumGreeting)
            try writer.write(capability, exactly: Self.idByteCount)
            return 6
        case .contactAccept(let name, let capability):
            try writer.write(name: name, atMost: Self.maximumName)
            try writer.write(capability, exactly: Self.idByteCount)
            return 7
        case .capability(let capability):
            try writer.write(capability, exactly: Self.idByteCount)
            return 8
        case .timer(let seconds):
            writer.write(seconds)
            return 10
        case .profile(let name):
            try writer.write(name: name, atMost: Self.maximumName)
            return 11
        case .introduction(let name, let token, let capability):
            try writer.write(name: name, atMost: Self.maximumName)
            try writer.write(token, exactly: Self.idByteCount)
            try writer.write(capability, exactly: Self.idByteCount)
            return 12
        default:
            throw .invalidValue
        }
    }

    // MARK: In

    /// Nil for what this version does not know.
    private static func decodeBody(_ kind: UInt8, _ bytes: ArraySlice<UInt8>) throws(WireError) -> Body? {
        var reader = ByteReader(bytes)
        let body: Body
        switch kind {
        case 1:
            let flags = try reader.readUInt8()
            guard flags & ~3 == 0 else { return nil }
            let answers = flags & 1 == 0 ? nil : Array(try reader.readBytes(idByteCount))
            let expiresAfter = flags & 2 == 0 ? nil : try reader.readUInt32()
            body = .text(
                try reader.readRestAsText(atMost: maximumText), answers: answers, expiresAfter: expiresAfter)
        case 2:
            body = .edit(
                id: Array(try reader.readBytes(idByteCount)), text: try reader.readRestAsText(atMost: maximumText))
        case 3: body = .delete(id: Array(try reader.readBytes(idByteCount)))
        case 4:
            body = .reaction(
                id: Array(try reader.readBytes(idByteCount)), text: try reader.readRestAsText(atMost: maximumReaction))
        case 5:
            switch try reader.readUInt8() {
            case 1: body = .delivered(envelopes: try reader.readIDs())
            case 2: body = .read(messages: try reader.readIDs())
            default: return nil
            }
        case 6:
            body = .contactRequest(
                name: try reader.readName(atMost: maximumName), greeting: try reader.readName(atMost: maximumGreeting),
                capability: Array(try reader.readBytes(idByteCount)))
        case 7:
            body = .contactAccept(
                name: try reader.readName(atMost: maximumName), capability: Array(try reader.readBytes(idByteCount)))
        case 8: body = .capability(Array(try reader.readBytes(idByteCount)))
        case 9: body = .retry(envelopes: try reader.readIDs())
        case 10: body = .timer(seconds: try reader.readUInt32())
        case 11: body = .profile(name: try reader.readName(atMost: maximumName))
        case 12:
            body = .introduction(
                name: try reader.readName(atMost: maximumName), token: Array(try reader.readBytes(idByteCount)),
                capability: Array(try reader.readBytes(idByteCount)))
        default: return nil
        }
        try reader.finish()
        return body
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ text: String, atMost limit: Int) throws(WireError) {
        guard text.utf8.count <= limit else { throw .lengthOutOfRange }
        write(text.utf8)
    }

    fileprivate mutating func write(name: String, atMost limit: Int) throws(WireError) {
        guard name.utf8.count <= limit else { throw .lengthOutOfRange }
        try writeShortText(name)
    }

    /// A count of one byte, then so many ids.
    fileprivate mutating func write(ids: [[UInt8]]) throws(WireError) {
        guard (1...MessageContent.maximumIDs).contains(ids.count) else { throw .lengthOutOfRange }
        write(UInt8(truncatingIfNeeded: ids.count))
        for id in ids { try write(id, exactly: MessageContent.idByteCount) }
    }
}

extension ByteReader {
    fileprivate mutating func readRestAsText(atMost limit: Int) throws(WireError) -> String {
        guard remaining <= limit else { throw .lengthOutOfRange }
        return try readText(remaining, allowingControls: true)
    }

    fileprivate mutating func readName(atMost limit: Int) throws(WireError) -> String {
        let name = try readShortText()
        guard name.utf8.count <= limit else { throw .lengthOutOfRange }
        return name
    }

    fileprivate mutating func readIDs() throws(WireError) -> [[UInt8]] {
        let count = Int(try readUInt8())
        guard (1...MessageContent.maximumIDs).contains(count) else { throw .lengthOutOfRange }
        var ids: [[UInt8]] = []
        for _ in 0..<count { ids.append(Array(try readBytes(MessageContent.idByteCount))) }
        return ids
    }
}
