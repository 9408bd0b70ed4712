import Identity
import Noise

/// Keys that never change, so that an input means the same in every run.
enum FuzzKeys {
    /// 32 bytes made from a number.
    static func bytes(_ seed: UInt8) -> [UInt8] {
        (0..<32).map { UInt8($0) &* 7 &+ seed }
    }

    static func secret(_ seed: UInt8) -> SecretBytes {
        SecretBytes(copying: bytes(seed))
    }

    static func pair(_ seed: UInt8) throws -> KeyPair {
        try KeyPair(secret: secret(seed))
    }

    static func identity(_ seed: UInt8) throws -> Identity {
        try Identity(seed: secret(seed))
    }
}
