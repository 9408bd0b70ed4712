import CSodium

/// A fixed number of secret bytes on the heap, wiped when their owner lets go of them.
///
/// There is no `==`, no description and no implicit copy. The buffer never moves, so no stray copies stay behind.
package struct SecretBytes: ~Copyable, Sendable {
    /// Number of bytes.
    package let count: Int
    // Safety: the memory belongs to this value alone (the type is not copyable) and is changed only in `init` and
    // in mutating methods, which need exclusive access.
    nonisolated(unsafe) private let memory: UnsafeMutablePointer<UInt8>
    private let ownsMemory: Bool

    /// `count` bytes written by `fill`, which gets them zeroed. Errors are those that `fill` throws.
    package init<E: Error>(count: Int, fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void) throws(E) {
        self.count = count
        memory = .allocate(capacity: max(count, 1))
        memory.initialize(repeating: 0, count: count)
        ownsMemory = true
        try fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
    }

    /// A copy of `bytes`. Wiping the original is up to the caller.
    package init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// A copy of `bytes`. Wiping the original is up to the caller.
    package init(copying bytes: some Collection<UInt8>) {
        self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    /// Takes over memory that somebody else frees (locked pages, or a test that watches), but wipes it like its own.
    /// `memory` must stay valid for as long as this value lives, and nobody else may write to it.
    package init(wiping memory: UnsafeMutablePointer<UInt8>, count: Int) {
        self.count = count
        self.memory = memory
        ownsMemory = false
    }

    /// `count` bytes of the system's randomness.
    package static func random(count: Int) -> SecretBytes {
        Sodium.initialize()
        return SecretBytes(count: count) { buffer in
            if let base = buffer.baseAddress {
                randombytes_buf(base, buffer.count)
            }
        }
    }

    deinit {
        sodium_memzero(memory, count)
        if ownsMemory {
            memory.deallocate()
        }
    }

    /// Whether there are no bytes at all.
    package var isEmpty: Bool { count == 0 }

    /// Lends the bytes to `body`. The pointer must not outlive the call.
    package borrowing func withUnsafeBytes<R: ~Copyable, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// Lends the bytes to `body` for writing. The pointer must not outlive the call.
    package mutating func withUnsafeMutableBytes<R: ~Copyable, E: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(UnsafeMutableRawBufferPointer(start: memory, count: count))
    }

    /// Lends the bytes to `body` as libsodium wants them.
    borrowing func withPointer<R: ~Copyable>(_ body: (UnsafePointer<UInt8>) -> R) -> R {
        body(UnsafePointer(memory))
    }

    /// An independent copy, wiped on its own.
    package borrowing func copy() -> SecretBytes {
        SecretBytes(copying: UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// A copy of part of the bytes. The part must lie inside.
    borrowing func copy(_ part: Range<Int>) -> SecretBytes {
        SecretBytes(
            copying: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(start: memory, count: count)[part]))
    }

    /// Whether both hold the same bytes, in time that depends on their number alone.
    package borrowing func isEqual(to other: borrowing SecretBytes) -> Bool {
        count == other.count && sodium_memcmp(memory, other.memory, count) == 0
    }
}

extension [UInt8] {
    /// Overwrites the bytes with zeros. Only for an array that is not shared, else the copy made for writing is wiped.
    package mutating func wipe() {
        withUnsafeMutableBytes { buffer in
            if let base = buffer.baseAddress {
                sodium_memzero(base, buffer.count)
            }
        }
    }
}
