extension MailFrame {
    /// The bytes of the frame. Throws `lengthOutOfRange` when a field breaks the limits that its receiver enforces.
    package func encode() throws(WireError) -> [UInt8] {
        var writer = ByteWriter(capacity: capacityHint)
        writer.write(type)
        if let request { writer.write(request) }
        switch self {
        case .mailbox(let info):
            writer.write(info.waiting)
            writer.write(info.oneTimeKeysLeft)
            writer.write(info.timeToLive)
            writer.write(info.quota)
            try writer.write(info.generation, exactly: MailFrame.generationByteCount)
        case .mail(_, let recipient, let capability, let envelope):
            writer.write(recipient)
            try writer.write(capability, exactly: MailFrame.capabilityByteCount)
            try writer.write(envelope, within: 1...MailFrame.maximumEnvelope)
        case .stored, .done:
            break
        case .refused(_, let reason, let retryAfter):
            writer.write(reason.rawValue)
            writer.write(retryAfter)
        case .item(let mail, let storedAt, let envelope):
            writer.write(mail)
            writer.write(storedAt)
            try writer.write(envelope, within: 1...MailFrame.maximumEnvelope)
        case .acknowledge(let mails):
            try writer.writeCount(of: mails, within: 1...MailFrame.maximumAcknowledged)
            for mail in mails { writer.write(mail) }
        case .publishPrekeys(_, let publication):
            try writer.write(publication, within: 1...MailFrame.maximumPublication)
        case .fetchPrekeys(_, let peer, let capability):
            writer.write(peer)
            try writer.write(capability, exactly: MailFrame.capabilityByteCount)
        case .prekeys(_, let bundle):
            try writer.write(bundle, within: 0...MailFrame.maximumBundle)
        case .capabilities(_, let operation, let digests):
            writer.write(operation.rawValue)
            try writer.writeCount(of: digests, within: 0...MailFrame.maximumDigests)
            for digest in digests { writer.write(digest.bytes) }
        case .requestMail(_, let recipient, let envelope):
            writer.write(recipient)
            writer.write(MailFrame.noCapability)
            try writer.write(envelope, within: 1...MailFrame.maximumRequestEnvelope)
        }
        return writer.bytes
    }

    /// Reads one WebSocket message. Nil for a type that this version does not know, or that is not the mailbox's. Throws when
    /// the bytes do not follow the layout of their type; an empty message is `truncated`.
    package static func decode(_ bytes: [UInt8]) throws(WireError) -> MailFrame? {
        var reader = ByteReader(bytes)
        let frame: MailFrame
        switch try reader.readUInt8() {
        case 0x10: frame = .mailbox(try reader.readMailboxInfo())
        case 0x11:
            let (request, recipient) = (try reader.readUInt32(), try reader.readPeerKey())
            frame = .mail(
                request: request, recipient: recipient, capability: try reader.readCapability(),
                envelope: try reader.readRest(within: 1...maximumEnvelope))
        case 0x12: frame = .stored(request: try reader.readUInt32())
        case 0x13:
            let (request, reason) = (try reader.readUInt32(), MailRefusal(rawValue: try reader.readUInt8()))
            frame = .refused(request: request, reason: reason, retryAfter: try reader.readUInt32())
        case 0x14:
            let (mail, time) = (try reader.readUInt64(), try reader.readUInt64())
            frame = .item(mail: mail, storedAt: time, envelope: try reader.readRest(within: 1...maximumEnvelope))
        case 0x15: frame = .acknowledge(mails: try reader.readMails())
        case 0x16:
            let request = try reader.readUInt32()
            frame = .publishPrekeys(
                request: request, publication: try reader.readRest(within: 1...maximumPublication))
        case 0x17:
            let (request, peer) = (try reader.readUInt32(), try reader.readPeerKey())
            frame = .fetchPrekeys(request: request, peer: peer, capability: try reader.readCapability())
        case 0x18:
            let request = try reader.readUInt32()
            frame = .prekeys(request: request, bundle: try reader.readRest(within: 0...maximumBundle))
        case 0x19: frame = try reader.readCapabilities()
        case 0x1A:
            let (request, recipient) = (try reader.readUInt32(), try reader.readPeerKey())
            guard try reader.readCapability() == noCapability else { throw .invalidValue }
            frame = .requestMail(
                request: request, recipient: recipient,
                envelope: try reader.readRest(within: 1...maximumRequestEnvelope))
        case 0x1B: frame = .done(request: try reader.readUInt32())
        default: return nil
        }
        try reader.finish()
        return frame
    }

    private var capacityHint: Int {
        switch self {
        case .mail(_, _, _, let envelope), .requestMail(_, _, let envelope): 53 + envelope.count
        case .item(_, _, let envelope): 17 + envelope.count
        case .acknowledge(let mails): 3 + 8 * mails.count
        case .publishPrekeys(_, let bytes), .prekeys(_, let bytes): 5 + bytes.count
        case .capabilities(_, _, let digests): 8 + CapabilityDigest.byteCount * digests.count
        default: 64
        }
    }
}

extension ByteReader {
    fileprivate mutating func readMailboxInfo() throws(WireError) -> MailboxInfo {
        let (waiting, keysLeft) = (try readUInt32(), try readUInt16())
        let (timeToLive, quota) = (try readUInt32(), try readUInt32())
        return MailboxInfo(
            waiting: waiting, oneTimeKeysLeft: keysLeft, timeToLive: timeToLive, quota: quota,
            generation: Array(try readBytes(MailFrame.generationByteCount)))
    }

    fileprivate mutating func readCapability() throws(WireError) -> [UInt8] {
        Array(try readBytes(MailFrame.capabilityByteCount))
    }

    fileprivate mutating func readMails() throws(WireError) -> [UInt64] {
        let count = try readCount(within: 1...MailFrame.maximumAcknowledged, of: 8)
        var mails: [UInt64] = []
        mails.reserveCapacity(count)
        for _ in 0..<count { mails.append(try readUInt64()) }
        return mails
    }

    fileprivate mutating func readCapabilities() throws(WireError) -> MailFrame {
        let (request, value) = (try readUInt32(), try readUInt8())
        guard let operation = CapabilityOperation(rawValue: value) else { throw .invalidValue }
        let count = try readCount(within: 0...MailFrame.maximumDigests, of: CapabilityDigest.byteCount)
        var digests: [CapabilityDigest] = []
        digests.reserveCapacity(count)
        for _ in 0..<count { digests.append(try CapabilityDigest(readBytes(CapabilityDigest.byteCount))) }
        return .capabilities(request: request, operation: operation, digests: digests)
    }

    /// A count of two bytes, of elements of `size` bytes that must all be there.
    private mutating func readCount(within range: ClosedRange<Int>, of size: Int) throws(WireError) -> Int {
        let count = Int(try readUInt16())
        guard range.contains(count) else { throw .lengthOutOfRange }
        guard remaining >= count * size else { throw .truncated }
        return count
    }

    /// What is left, to be as long as `range` says. Throws `truncated` below it and `lengthOutOfRange` above.
    fileprivate mutating func readRest(within range: ClosedRange<Int>) throws(WireError) -> [UInt8] {
        guard remaining >= range.lowerBound else { throw .truncated }
        guard remaining <= range.upperBound else { throw .lengthOutOfRange }
        return Array(readRest())
    }
}

extension ByteWriter {
    fileprivate mutating func write(_ value: [UInt8], within range: ClosedRange<Int>) throws(WireError) {
        guard range.contains(value.count) else { throw .lengthOutOfRange }
        write(value)
    }

    fileprivate mutating func writeCount<Element>(
        of elements: [Element], within range: ClosedRange<Int>
    ) throws(WireError) {
        guard range.contains(elements.count) else { throw .lengthOutOfRange }
        write(UInt16(truncatingIfNeeded: elements.count))
    }
}
