import Noise

// Libsodium's functions take pointers that are never null and answer 0 for success.

extension SecretBytes {
    /// `count` bytes that a function of libsodium writes; nil when it answers other than 0.
    static func written(count: Int, by function: (UnsafeMutablePointer<UInt8>) -> CInt) -> SecretBytes? {
        var status: CInt = -1
        let bytes = SecretBytes(count: count) { buffer in
            if let base = buffer.baseAddress { status = function(base.assumingMemoryBound(to: UInt8.self)) }
        }
        guard status == 0 else { return nil }
        return bytes
    }

    /// Lends the bytes to a function of libsodium and passes on its answer.
    borrowing func lend(to function: (UnsafePointer<UInt8>) -> CInt) -> CInt {
        withUnsafeBytes { buffer in
            buffer.baseAddress.map { function($0.assumingMemoryBound(to: UInt8.self)) } ?? -1
        }
    }
}
