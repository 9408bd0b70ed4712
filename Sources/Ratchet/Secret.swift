import Noise

/// Secret bytes with an owner count: copies of a value that holds one share it, and it is wiped with the last of them.
final class Secret: Sendable {
    /// Size of every key here, in bytes.
    static let byteCount = 32

    let bytes: SecretBytes

    init(_ bytes: consuming SecretBytes) {
        self.bytes = bytes
    }

    /// The 32-byte keys that `bytes` holds, one after the other.
    static func split(_ bytes: borrowing SecretBytes) -> [Secret] {
        bytes.withUnsafeBytes { buffer in
            stride(from: 0, to: buffer.count, by: byteCount).map { start in
                let part = UnsafeRawBufferPointer(rebasing: buffer[start..<min(start + byteCount, buffer.count)])
                return Secret(SecretBytes(copying: part))
            }
        }
    }

    /// In time that does not depend on the bytes.
    func isEqual(to other: Secret) -> Bool {
        self === other || bytes.isEqual(to: other.bytes)
    }
}

extension SecretBytes {
    /// Lends the bytes to a function of libsodium.
    borrowing func lend<R>(to body: (UnsafePointer<UInt8>) -> R) -> R? {
        withUnsafeBytes { buffer in
            buffer.baseAddress.map { body($0.assumingMemoryBound(to: UInt8.self)) }
        }
    }
}

/// Where random bytes come from: the system, or in tests a list that makes every byte of the output known.
struct Entropy: Sendable {
    let fill: @Sendable (UnsafeMutableRawBufferPointer) -> Void

    static let system = Entropy { buffer in
        let bytes = SecretBytes.random(count: buffer.count)
        bytes.withUnsafeBytes { buffer.copyMemory(from: $0) }
    }

    func secret(_ count: Int) -> SecretBytes {
        SecretBytes(count: count) { fill($0) }
    }

    func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { fill($0) }
        return bytes
    }
}
