/// The 32 bytes of a peer id as frames carry them. Whether they are a usable public key is for `Identity` to say;
/// here they only name somebody. Kept as four words, so that a routing table hashes and compares without allocating.
package struct PeerKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Size of a peer id in bytes.
    package static let byteCount = 32

    @usableFromInline let word0: UInt64
    @usableFromInline let word1: UInt64
    @usableFromInline let word2: UInt64
    @usableFromInline let word3: UInt64

    /// Takes exactly 32 bytes; throws `lengthOutOfRange` for any other count.
    @inlinable
    package init(_ bytes: some Collection<UInt8>) throws(WireError) {
        guard bytes.count == PeerKey.byteCount else { throw .lengthOutOfRange }
        var iterator = bytes.makeIterator()
        func word() -> UInt64 {
            var word: UInt64 = 0
            for _ in 0..<8 {
                word = word << 8 | UInt64(iterator.next() ?? 0)
            }
            return word
        }
        self.word0 = word()
        self.word1 = word()
        self.word2 = word()
        self.word3 = word()
    }

    /// Takes the 32 bytes as four big-endian numbers, for whoever reads them as such.
    @inlinable
    package init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// The 32 bytes as four big-endian numbers.
    @inlinable
    package var words: (UInt64, UInt64, UInt64, UInt64) { (word0, word1, word2, word3) }

    /// The 32 bytes.
    @inlinable
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(PeerKey.byteCount)
        for word in [word0, word1, word2, word3] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return bytes
    }

    /// The 32 bytes in hexadecimal, for logs and tests. People are shown `PeerID`'s text form instead.
    package var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Order of the bytes, first byte first.
    package static func < (left: PeerKey, right: PeerKey) -> Bool {
        (left.word0, left.word1, left.word2, left.word3) < (right.word0, right.word1, right.word2, right.word3)
    }
}
