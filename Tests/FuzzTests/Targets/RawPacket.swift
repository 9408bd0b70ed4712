import Noise

@testable import SecureTransport

/// Keys of one direction at one encryption level, for packets that are written by hand.
final class RawKeys {
    /// A key goes one way only.
    private let (sealing, opening): (UnsafeMutableRawPointer, UnsafeMutableRawPointer)
    private let headerKey: UnsafeMutableRawPointer
    private let counters: UnsafeMutablePointer<PacketCounters>
    private var iv = [UInt8](repeating: 0, count: KeySchedule.ivLength)

    init(secret: borrowing SecretBytes, level: PacketLevel) {
        counters = .allocate(capacity: 1)
        counters.initialize(to: PacketCounters())
        let counters = counters
        var iv = iv
        func key(_ direction: AEADDirection) -> UnsafeMutableRawPointer {
            let key = secret.withUnsafeBytes { secret in
                iv.withUnsafeMutableBytes {
                    PacketKey.make(
                        cipher: .chaCha20Poly1305, direction: direction, level: level, secret: secret, iv: $0,
                        counters: counters)
                }
            }
            guard let key else { preconditionFailure("ChaCha20-Poly1305 is always there") }
            return key
        }
        (sealing, opening) = (key(.seal), key(.open))
        let headerKey = secret.withUnsafeBytes { HeaderProtectionKey.make(cipher: .chaCha20Poly1305, secret: $0) }
        guard let headerKey else { preconditionFailure("ChaCha20 is always there") }
        self.headerKey = headerKey
        self.iv = iv
    }

    deinit {
        PacketKey.destroy(sealing)
        PacketKey.destroy(opening)
        HeaderProtectionKey.destroy(headerKey)
        counters.deallocate()
    }

    private func nonce(_ number: UInt32) -> [UInt8] {
        var nonce = iv
        for index in 0..<4 { nonce[8 + index] ^= UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * index)) }
        return nonce
    }

    /// `header` without packet number, sealed `frames` behind a number of 4 bytes, header protection on.
    func seal(header: [UInt8], number: UInt32, frames: [UInt8]) -> [UInt8] {
        let digits = (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * $0)) }
        let ad = header + digits
        var sealed = [UInt8](repeating: 0, count: frames.count + 16)
        _ = sealed.withUnsafeMutableBufferPointer { output in
            output.baseAddress.map {
                PacketKey.seal(sealing, into: $0, frames, frames.count, nonce: nonce(number), ad: ad, ad.count)
            }
        }
        var packet = ad + sealed
        protect(&packet, numberOffset: header.count)
        return packet
    }

    /// Opens a packet with a number of 1 to 4 bytes at this offset; nil when it does not open.
    func open(_ packet: [UInt8], numberOffset: Int) -> [UInt8]? {
        guard packet.count >= numberOffset + 20, let mask = mask(packet, numberOffset: numberOffset) else { return nil }
        var header = Array(packet[..<numberOffset])
        header[0] ^= mask[0] & (header[0] & 0x80 != 0 ? 0x0F : 0x1F)
        let length = Int(header[0] & 3) + 1
        let digits = (0..<length).map { packet[numberOffset + $0] ^ mask[1 + $0] }
        let number = digits.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let (ad, sealed) = (header + digits, Array(packet[(numberOffset + length)...]))
        guard sealed.count >= 16 else { return nil }
        var frames = [UInt8](repeating: 0, count: sealed.count - 16)
        let isGenuine = frames.withUnsafeMutableBufferPointer { output in
            output.baseAddress.map {
                PacketKey.open(opening, into: $0, sealed, sealed.count, nonce: nonce(number), ad: ad, ad.count)
            }
        }
        return isGenuine == true ? frames : nil
    }

    private func protect(_ packet: inout [UInt8], numberOffset: Int) {
        guard let mask = mask(packet, numberOffset: numberOffset) else { return }
        packet[0] ^= mask[0] & (packet[0] & 0x80 != 0 ? 0x0F : 0x1F)
        for index in 0..<4 { packet[numberOffset + index] ^= mask[1 + index] }
    }

    private func mask(_ packet: [UInt8], numberOffset: Int) -> [UInt8]? {
        guard packet.count >= numberOffset + 20 else { return nil }
        let sample = Array(packet[(numberOffset + 4)..<(numberOffset + 20)])
        var mask = [UInt8](repeating: 0, count: 5)
        let isMade = mask.withUnsafeMutableBufferPointer { output in
            output.baseAddress.map { HeaderProtectionKey.mask(headerKey, sample: sample, into: $0) }
        }
        return isMade == true ? mask : nil
    }
}

/// RFC 9000 §16 and §19, the little of it that a hand-written peer needs.
enum RawFrames {
    static func variableInteger(_ value: UInt64) -> [UInt8] {
        let (size, prefix): (Int, UInt8) =
            value < 1 << 6 ? (1, 0) : value < 1 << 14 ? (2, 0x40) : value < 1 << 30 ? (4, 0x80) : (8, 0xC0)
        var bytes = (0..<size).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (size - 1 - $0))) }
        bytes[0] = bytes[0] & 0x3F | prefix
        return bytes
    }

    static func crypto(_ data: [UInt8]) -> [UInt8] {
        [0x06, 0] + variableInteger(UInt64(data.count)) + data
    }

    /// The CRYPTO data in frames that otherwise are PADDING, PING and ACK, as a first answer is.
    static func cryptoData(in frames: [UInt8]) -> [UInt8] {
        var reader = FuzzInput(frames)
        var data: [UInt8] = []
        func integer() -> UInt64 {
            let first = reader.byte()
            return (1..<(1 << (first >> 6))).reduce(UInt64(first & 0x3F)) { value, _ in
                value << 8 | UInt64(reader.byte())
            }
        }
        while !reader.isEmpty {
            switch reader.byte() {
            case 0x00, 0x01: break
            case 0x02:
                _ = (integer(), integer())
                let ranges = integer()
                _ = integer()
                for _ in 0..<min(ranges, 64) { _ = (integer(), integer()) }
            case 0x06:
                let offset = Int(truncatingIfNeeded: integer())
                let piece = reader.bytes(Int(truncatingIfNeeded: integer()))
                if offset == data.count { data += piece }
            default: return data
            }
        }
        return data
    }
}
