// BIP 350: human-readable part | "1" | data, 5 bits a character | checksum of 6 characters.

/// Bech32m (BIP 350): text that detects any four mistyped characters. At most 90 characters.
enum Bech32m {
    /// Why text is not Bech32m.
    enum Failure: Error, Hashable {
        /// No separator, too short or too long, mixed case, or characters that do not belong there.
        case malformed
        /// Well-formed, but one or more characters are not what they were.
        case wrongChecksum
    }

    private static let charset = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
    private static let constant: UInt32 = 0x2BC8_30A3
    private static let maximumLength = 90
    private static let checksumLength = 6

    /// The text of `data` (any bytes) under `prefix` (lower case, without characters outside 33…126).
    static func encode(prefix: String, data: [UInt8]) -> String {
        let values = regroup(data[...], from: 8, to: 5)
        let checksum = polymod(expand(prefix.utf8) + values + [UInt8](repeating: 0, count: checksumLength)) ^ constant
        let tail = (0..<checksumLength).map { UInt8(checksum >> UInt32(5 * (5 - $0)) & 31) }
        return prefix + "1" + String(decoding: (values + tail).map { charset[Int($0)] }, as: UTF8.self)
    }

    /// Prefix (in lower case) and data of `text`, as groups of 5 bits.
    static func decode(_ text: String) throws(Failure) -> (prefix: String, values: [UInt8]) {
        let bytes = Array(text.utf8)
        guard (8...maximumLength).contains(bytes.count), bytes.allSatisfy({ (33...126).contains($0) }) else {
            throw .malformed
        }
        let hasUpper = bytes.contains { (0x41...0x5A).contains($0) }
        let hasLower = bytes.contains { (0x61...0x7A).contains($0) }
        guard !(hasUpper && hasLower) else { throw .malformed }
        let lowered = hasUpper ? bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 } : bytes
        guard let separator = lowered.lastIndex(of: UInt8(ascii: "1")), separator >= 1,
            lowered.count - separator - 1 >= checksumLength
        else { throw .malformed }
        let prefix = lowered[..<separator]
        var values: [UInt8] = []
        for character in lowered[(separator + 1)...] {
            guard let value = charset.firstIndex(of: character) else { throw .malformed }
            values.append(UInt8(value))
        }
        guard polymod(expand(prefix) + values) == constant else { throw .wrongChecksum }
        return (String(decoding: prefix, as: UTF8.self), Array(values.dropLast(checksumLength)))
    }

    /// Whole bytes from groups of 5 bits; nil when the bits left over are not fewer than 5 zeros.
    static func bytes(fromGroups values: [UInt8]) -> [UInt8]? {
        let spare = values.count * 5 % 8
        guard spare < 5, spare == 0 || (values.last ?? 0) & (1 << UInt8(spare) - 1) == 0 else { return nil }
        return Array(regroup(values[...], from: 5, to: 8).prefix(values.count * 5 / 8))
    }

    /// Cuts bits into groups of another width; the last group is filled up with zeros.
    private static func regroup(_ values: ArraySlice<UInt8>, from: UInt32, to: UInt32) -> [UInt8] {
        var result: [UInt8] = []
        var accumulator: UInt32 = 0
        var bits: UInt32 = 0
        for value in values {
            accumulator = (accumulator << from | UInt32(value)) & 0xFFF
            bits += from
            while bits >= to {
                bits -= to
                result.append(UInt8(truncatingIfNeeded: accumulator >> bits & (1 << to - 1)))
            }
        }
        if bits > 0 {
            result.append(UInt8(truncatingIfNeeded: accumulator << (to - bits) & (1 << to - 1)))
        }
        return result
    }

    private static func expand(_ prefix: some Collection<UInt8>) -> [UInt8] {
        prefix.map { $0 >> 5 } + [0] + prefix.map { $0 & 31 }
    }

    private static func polymod(_ values: [UInt8]) -> UInt32 {
        let generator: [UInt32] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3]
        var checksum: UInt32 = 1
        for value in values {
            let top = checksum >> 25
            checksum = (checksum & 0x1FF_FFFF) << 5 ^ UInt32(value)
            for (bit, term) in generator.enumerated() where top >> UInt32(bit) & 1 == 1 {
                checksum ^= term
            }
        }
        return checksum
    }
}
