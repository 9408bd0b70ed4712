package import Identity
package import Noise

// Layout: version u8 = 1 | own peer id 32 | peer id 32 |
// count u16 and for each session that the peer has opened: its id 32, signed prekey id u32 |
// count u8 and for each session: id 32, flags u8 (1 ours, 2 receive-only, 4 prefix), prefix 1,128 or nothing, ratchet.
// Ratchet: own secret 32 | flags u8 (1 remote key, 2 sending, 4 receiving) | remote key 32 | root key 32 |
// sending and receiving chain: key 32, header key 32, next number u32 | next sending header key 32 |
// next receiving header key 32 | previous count u32 | count u16 and for each chain with missing messages: header key 32,
// count u16 and for each message: number u32, key 32.

extension PeerRatchet {
    private static let version: UInt8 = 1

    /// The state as it is stored: secret, 0.3 to 3 KB usually, at most about 180 KB.
    package func encode() -> SecretBytes {
        StateWriter.encode { writer in
            writer.write(integer: PeerRatchet.version)
            writer.write(own.bytes)
            writer.write(peer.bytes)
            writer.write(integer: UInt16(truncatingIfNeeded: accepted.count))
            for entry in accepted {
                writer.write(entry.session)
                writer.write(integer: entry.signedPrekey.rawValue)
            }
            writer.write(integer: UInt8(truncatingIfNeeded: sessions.count))
            for session in sessions {
                session.write(to: &writer)
            }
        }
    }

    /// Reads what `encode` gave. Throws `malformed`, and `wrongPeer` when it belongs to another pair.
    package init(decoding bytes: borrowing SecretBytes, own: PeerID, peer: PeerID) throws(RatchetError) {
        self = try bytes.withUnsafeBytes { buffer throws(RatchetError) in
            var reader = StateReader(buffer)
            let state = try PeerRatchet(reading: &reader, own: own, peer: peer)
            try reader.finish()
            return state
        }
    }

    private init(reading reader: inout StateReader, own: PeerID, peer: PeerID) throws(RatchetError) {
        guard try reader.integer(UInt8.self) == PeerRatchet.version else { throw .malformed }
        guard try reader.bytes(PeerID.byteCount) == own.bytes, try reader.bytes(PeerID.byteCount) == peer.bytes else {
            throw .wrongPeer
        }
        self.init(own: own, peer: peer)
        let limit = RatchetLimits.rememberedSessions
        for _ in 0..<(try reader.count(UInt16.self, limit: limit, size: Session.idByteCount + 4)) {
            let session = try reader.bytes(Session.idByteCount)
            accepted.append(
                Accepted(session: session, signedPrekey: PrekeyID(rawValue: try reader.integer(UInt32.self))))
        }
        for _ in 0..<(try reader.count(UInt8.self, limit: RatchetLimits.sessions, size: Session.idByteCount)) {
            sessions.append(try Session(reading: &reader))
        }
        guard skippedCount <= RatchetLimits.skippedForPeer else { throw .malformed }
    }
}

extension Session {
    fileprivate func write(to writer: inout StateWriter) {
        writer.write(id)
        let flags: UInt8 = (initiatedByUs ? 1 : 0) | (isReceiveOnly ? 2 : 0) | (prefix == nil ? 0 : 4)
        writer.write(integer: flags)
        if let prefix {
            writer.write(prefix.bytes)
        }
        ratchet.write(to: &writer)
    }

    fileprivate init(reading reader: inout StateReader) throws(RatchetError) {
        id = try reader.bytes(Session.idByteCount)
        let flags = try reader.integer(UInt8.self)
        guard flags < 8 else { throw .malformed }
        initiatedByUs = flags & 1 != 0
        isReceiveOnly = flags & 2 != 0
        prefix = flags & 4 == 0 ? nil : try PQXDHPrefix(reader.bytes(PQXDHPrefix.byteCount))
        ratchet = try DoubleRatchet(reading: &reader)
    }
}

extension DoubleRatchet {
    func write(to writer: inout StateWriter) {
        writer.write(ownKey.secret)
        let flags: UInt8 = (remoteKey == nil ? 0 : 1) | (sending == nil ? 0 : 2) | (receiving == nil ? 0 : 4)
        writer.write(integer: flags)
        if let remoteKey {
            writer.write(remoteKey.bytes)
        }
        writer.write(rootKey)
        for chain in [sending, receiving].compactMap({ $0 }) {
            writer.write(chain.key)
            writer.write(chain.headerKey)
            writer.write(integer: chain.next)
        }
        writer.write(nextSendingHeader)
        writer.write(nextReceivingHeader)
        writer.write(integer: previousCount)
        writer.write(integer: UInt16(truncatingIfNeeded: skipped.chains.count))
        for chain in skipped.chains {
            writer.write(chain.headerKey)
            writer.write(integer: UInt16(truncatingIfNeeded: chain.keys.count))
            for (number, key) in chain.keys {
                writer.write(integer: number)
                writer.write(key)
            }
        }
    }

    init(reading reader: inout StateReader) throws(RatchetError) {
        ownKey = try DHKey(secret: reader.secretBytes(Secret.byteCount))
        let flags = try reader.integer(UInt8.self)
        guard flags < 8 else { throw .malformed }
        remoteKey = flags & 1 == 0 ? nil : try PublicKey(reading: reader.bytes(PublicKey.length))
        rootKey = try reader.secret()
        sending = flags & 2 == 0 ? nil : try Chain(reading: &reader)
        receiving = flags & 4 == 0 ? nil : try Chain(reading: &reader)
        nextSendingHeader = try reader.secret()
        nextReceivingHeader = try reader.secret()
        previousCount = try reader.integer(UInt32.self)
        let limit = RatchetLimits.skippedChainsForPeer
        for _ in 0..<(try reader.count(UInt16.self, limit: limit, size: Secret.byteCount + 2)) {
            skipped.chains.append(try SkippedChain(reading: &reader))
        }
    }
}

extension DoubleRatchet.Chain {
    fileprivate init(reading reader: inout StateReader) throws(RatchetError) {
        key = try reader.secret()
        headerKey = try reader.secret()
        next = try reader.integer(UInt32.self)
    }
}

extension SkippedChain {
    fileprivate init(reading reader: inout StateReader) throws(RatchetError) {
        let headerKey = try reader.secret()
        var keys: [(number: UInt32, key: Secret)] = []
        for _ in 0..<(try reader.count(UInt16.self, limit: RatchetLimits.skippedForPeer, size: 36)) {
            let number = try reader.integer(UInt32.self)
            guard keys.last.map({ $0.number < number }) ?? true else { throw .malformed }
            keys.append((number, try reader.secret()))
        }
        guard !keys.isEmpty else { throw .malformed }
        self.init(headerKey: headerKey, keys: keys)
    }
}
