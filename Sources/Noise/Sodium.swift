import CSodium

/// The libsodium library as a whole.
package enum Sodium {
    private static let status: CInt = sodium_init()

    /// Initialises libsodium, once per process, from any thread. Without it the portable (slow) code would run and
    /// AES-256-GCM would report itself unavailable. Every entry point of this module calls it.
    package static func initialize() {
        // Fails only where the system has no source of randomness; nothing secure can be done then.
        precondition(status >= 0, "libsodium cannot be initialised")
    }

    /// Fills `count` bytes with the system's randomness.
    package static func randomBytes(count: Int) -> [UInt8] {
        initialize()
        // The empty array is one shared object, and writing its count, though it is 0 already, is a data race.
        guard count > 0 else { return [] }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let base = buffer.baseAddress {
                randombytes_buf(base, count)
            }
            initialized = count
        }
    }
}
