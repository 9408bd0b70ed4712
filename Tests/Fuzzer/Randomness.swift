import CSodium
import Glibc

// Numbers that are the same in every run, in place of libsodium's randomness: an input that broke something once breaks it
// again. Only in the fuzzer, which is never shipped.

// Safety: libFuzzer runs one input at a time, on one thread.
nonisolated(unsafe) private var state: UInt64 = 0
nonisolated(unsafe) private var implementation = randombytes_implementation()
nonisolated(unsafe) private let generatorName = UnsafePointer(strdup("fuzzer"))

/// Takes the place of libsodium's generator; before anything else uses libsodium.
func installFixedRandomness() {
    implementation.implementation_name = { generatorName }
    implementation.random = { UInt32(truncatingIfNeeded: nextNumber()) }
    implementation.buf = { buffer, count in
        guard let buffer else { return }
        for offset in 0..<count {
            buffer.storeBytes(of: UInt8(truncatingIfNeeded: nextNumber()), toByteOffset: offset, as: UInt8.self)
        }
    }
    randombytes_set_implementation(&implementation)
}

/// Begins again, before each input.
func restartFixedRandomness() {
    state = 1
}

/// SplitMix64 (Steele, Lea, Flood 2014).
private func nextNumber() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
}
