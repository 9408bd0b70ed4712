/// SHA-1 (FIPS 180-4), for the two places where protocols of ours still ask for it: the WebSocket handshake
/// (RFC 6455 section 4.2.2) and TURN's time-limited credentials. Neither relies on collision resistance.
package struct SHA1: Sendable {
    private var state: (UInt32, UInt32, UInt32, UInt32, UInt32) = (
        0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0
    )

    /// The 20-byte digest of `message`.
    package static func hash(_ message: some Collection<UInt8>) -> [UInt8] {
        var padded = Array(message)
        let bits = UInt64(padded.count) &* 8
        padded.append(0x80)
        padded.append(contentsOf: repeatElement(0, count: (120 - padded.count % 64) % 64))
        for shift in stride(from: 56, through: 0, by: -8) {
            padded.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
        var hash = SHA1()
        for start in stride(from: 0, to: padded.count, by: 64) {
            hash.compress(padded[start..<(start + 64)])
        }
        return hash.digest
    }

    /// HMAC-SHA-1 (RFC 2104) of `message` under `key`.
    package static func authenticationCode(_ message: some Collection<UInt8>, key: [UInt8]) -> [UInt8] {
        var block = key.count > 64 ? hash(key) : key
        block.append(contentsOf: repeatElement(0, count: 64 - block.count))
        let inner = hash(block.map { $0 ^ 0x36 } + message)
        return hash(block.map { $0 ^ 0x5C } + inner)
    }

    private var digest: [UInt8] {
        var bytes: [UInt8] = []
        for word in [state.0, state.1, state.2, state.3, state.4] {
            withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    private mutating func compress(_ block: ArraySlice<UInt8>) {
        var schedule = [UInt32]()
        schedule.reserveCapacity(80)
        for offset in stride(from: block.startIndex, to: block.endIndex, by: 4) {
            schedule.append(block[offset..<(offset + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
        }
        for index in 16..<80 {
            let word = schedule[index - 3] ^ schedule[index - 8] ^ schedule[index - 14] ^ schedule[index - 16]
            schedule.append(Self.rotate(word, 1))
        }
        var (a, b, c, d, e) = state
        for (index, word) in schedule.enumerated() {
            let mix = Self.mix(round: index / 20, b, c, d)
            let next: UInt32 = Self.rotate(a, 5) &+ mix &+ e &+ word
            (e, d, c, b, a) = (d, c, Self.rotate(b, 30), a, next)
        }
        state = (state.0 &+ a, state.1 &+ b, state.2 &+ c, state.3 &+ d, state.4 &+ e)
    }

    /// The function and the constant of a round.
    private static func mix(round: Int, _ b: UInt32, _ c: UInt32, _ d: UInt32) -> UInt32 {
        let parity: UInt32 = b ^ c ^ d
        switch round {
        case 0:
            let choice: UInt32 = (b & c) | (~b & d)
            return choice &+ 0x5A82_7999
        case 1: return parity &+ 0x6ED9_EBA1
        case 2:
            let majority: UInt32 = (b & c) | (b & d) | (c & d)
            return majority &+ 0x8F1B_BCDC
        default: return parity &+ 0xCA62_C1D6
        }
    }

    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word << count | word >> (32 - count)
    }
}
