// Layout: kind u8 | connection id 16 | time u64 (milliseconds since 1970) | body
//   0x01 offer, 0x02 answer   credentials | count u8 (0…64) | candidates
//   0x03 candidates           count u8 (0…64) | candidates
//   0x04 end of candidates    nothing
//   0x05 restart              nothing
//   0x06 bye                  nothing
//   0x07 search offer, 0x08 search answer   terms (40 or 52 bytes, see SearchTerms.swift)
// Nothing may follow. At most 5,534 bytes, so that sealed it is far below SIGNAL's 16,384.

/// What two peers tell each other to find a path: the plaintext of a SIGNAL frame's payload, which travels sealed.
package struct Rendezvous: Hashable, Sendable {
    /// What is said.
    package enum Body: Hashable, Sendable {
        /// The dialer's ICE credentials, and the candidates known so far.
        case offer(ICECredentials, [Candidate])
        /// The same of the side that was dialed.
        case answer(ICECredentials, [Candidate])
        /// More candidates; none when the sender's kinds are all unknown here.
        case candidates([Candidate])
        /// No more candidates will come for this connection.
        case endOfCandidates
        /// The path is lost: forget this connection id and make an offer under a new one.
        case restart
        /// The sender has gone.
        case bye
        /// A proposal to search for a port of the side whose NAT maps by destination, under a connection id of its own.
        case searchOffer(SearchTerms)
        /// Agreement to that search: it begins.
        case searchAnswer(SearchTerms)
    }

    /// The context under which payloads are sealed: the prologue of their Noise handshake.
    package static let sealingContext = "sotto-rendezvous-v1"
    /// Size of a connection id in bytes.
    package static let connectionIDByteCount = 16
    /// Most candidates in one payload, and most that a receiver takes for one connection id.
    package static let maximumCandidates = 64

    /// Size of the largest payload in bytes.
    package static let maximumByteCount = 25 + 2 * (2 + 256) + 1 + maximumCandidates * 78

    /// 16 random bytes of the side that made the offer; the same in everything that belongs to it.
    package let connectionID: [UInt8]
    /// When it was written: milliseconds since 1970 on the sender's clock.
    package let time: UInt64
    /// What is said.
    package let body: Body

    /// Throws `lengthOutOfRange` unless the connection id has 16 bytes and the number of candidates is within its
    /// limits.
    package init(connectionID: [UInt8], time: UInt64, body: Body) throws(WireError) {
        guard connectionID.count == Rendezvous.connectionIDByteCount else { throw .lengthOutOfRange }
        switch body {
        case .offer(_, let list), .answer(_, let list), .candidates(let list):
            guard list.count <= Rendezvous.maximumCandidates else { throw .lengthOutOfRange }
        case .endOfCandidates, .restart, .bye, .searchOffer, .searchAnswer:
            break
        }
        self.connectionID = connectionID
        self.time = time
        self.body = body
    }

    /// The bytes to seal.
    package func encode() -> [UInt8] {
        var writer = ByteWriter(capacity: 512)
        writer.write(kind)
        writer.write(connectionID)
        writer.write(time)
        switch body {
        case .offer(let credentials, let list), .answer(let credentials, let list):
            writer.write(credentials)
            writer.writeCandidates(list)
        case .candidates(let list):
            writer.writeCandidates(list)
        case .searchOffer(let terms), .searchAnswer(let terms):
            writer.write(terms)
        case .endOfCandidates, .restart, .bye:
            break
        }
        return writer.bytes
    }

    /// Reads unsealed bytes. Candidates of unknown types are left out. Throws `unsupported` for a kind that this
    /// version does not know, and any other error for bytes that do not follow the layout.
    package static func decode(_ bytes: [UInt8]) throws(WireError) -> Rendezvous {
        var reader = ByteReader(bytes)
        let kind = try reader.readUInt8()
        let connectionID = Array(try reader.readBytes(connectionIDByteCount))
        let time = try reader.readUInt64()
        let body: Body
        switch kind {
        case 0x01: body = .offer(try reader.readICECredentials(), try reader.readCandidates())
        case 0x02: body = .answer(try reader.readICECredentials(), try reader.readCandidates())
        case 0x03: body = .candidates(try reader.readCandidates())
        case 0x04: body = .endOfCandidates
        case 0x05: body = .restart
        case 0x06: body = .bye
        case 0x07: body = .searchOffer(try reader.readSearchTerms())
        case 0x08: body = .searchAnswer(try reader.readSearchTerms())
        default: throw .unsupported(kind)
        }
        try reader.finish()
        return try Rendezvous(connectionID: connectionID, time: time, body: body)
    }

    private var kind: UInt8 {
        switch body {
        case .offer: 0x01
        case .answer: 0x02
        case .candidates: 0x03
        case .endOfCandidates: 0x04
        case .restart: 0x05
        case .bye: 0x06
        case .searchOffer: 0x07
        case .searchAnswer: 0x08
        }
    }
}

extension ByteReader {
    fileprivate mutating func readCandidates() throws(WireError) -> [Candidate] {
        let count = Int(try readUInt8())
        guard count <= Rendezvous.maximumCandidates else { throw .lengthOutOfRange }
        var list: [Candidate] = []
        for _ in 0..<count {
            if let candidate = try readCandidate() { list.append(candidate) }
        }
        return list
    }
}

extension ByteWriter {
    fileprivate mutating func writeCandidates(_ list: [Candidate]) {
        write(UInt8(truncatingIfNeeded: list.count))
        for candidate in list { write(candidate) }
    }
}
