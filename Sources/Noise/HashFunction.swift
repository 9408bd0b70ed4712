import CSodium

/// The hash functions of the specification and what is built on them (Noise revision 34, §4.3 and §12.5–12.8).
enum HashFunction: String, Sendable {
    case blake2b = "BLAKE2b"
    case sha256 = "SHA256"
    case sha512 = "SHA512"

    /// HASHLEN in bytes.
    var length: Int {
        switch self {
        case .sha256: 32
        case .blake2b, .sha512: 64
        }
    }

    /// BLOCKLEN in bytes, for HMAC.
    var blockLength: Int {
        switch self {
        case .sha256: 64
        case .blake2b, .sha512: 128
        }
    }

    /// HASH(data).
    func hash(_ data: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: length) { output, initialized in
            if let base = output.baseAddress {
                data.withUnsafeBufferPointer { input in hash(input.baseAddress, input.count, into: base) }
            }
            initialized = length
        }
    }

    /// HASH of secret data, into memory that is wiped.
    private func hash(_ data: borrowing SecretBytes) -> SecretBytes {
        SecretBytes(count: length) { output in
            guard let base = output.baseAddress else { return }
            data.withPointer { hash($0, data.count, into: base.assumingMemoryBound(to: UInt8.self)) }
        }
    }

    private func hash(_ data: UnsafePointer<UInt8>?, _ count: Int, into output: UnsafeMutablePointer<UInt8>) {
        switch self {
        case .blake2b: crypto_generichash_blake2b(output, length, data, UInt64(count), nil, 0)
        case .sha256: crypto_hash_sha256(output, data, UInt64(count))
        case .sha512: crypto_hash_sha512(output, data, UInt64(count))
        }
    }

    /// HMAC-HASH(key, data) (§4.3, RFC 2104). `key` is at most one block long: here it is always a hash.
    func hmac(key: borrowing SecretBytes, _ data: borrowing SecretBytes) -> SecretBytes {
        let inner = hash(padded(key, with: 0x36, followedBy: data))
        return hash(padded(key, with: 0x5c, followedBy: inner))
    }

    private func padded(
        _ key: borrowing SecretBytes, with pad: UInt8, followedBy data: borrowing SecretBytes
    ) -> SecretBytes {
        SecretBytes(count: blockLength + data.count) { buffer in
            key.withUnsafeBytes { buffer.copyMemory(from: $0) }
            for index in 0..<blockLength {
                buffer[index] ^= pad
            }
            data.withUnsafeBytes {
                UnsafeMutableRawBufferPointer(rebasing: buffer[blockLength...]).copyMemory(from: $0)
            }
        }
    }

    /// HKDF(chaining_key, input_key_material, num_outputs): the outputs one after the other, HASHLEN bytes each.
    func hkdf(
        chainingKey: borrowing SecretBytes, inputKeyMaterial: borrowing SecretBytes, outputs: Int
    ) -> SecretBytes {
        let temporaryKey = hmac(key: chainingKey, inputKeyMaterial)
        var previous = SecretBytes(copying: [])
        return SecretBytes(count: outputs * length) { all in
            for index in 0..<outputs {
                let input = SecretBytes(count: previous.count + 1) { buffer in
                    previous.withUnsafeBytes { buffer.copyMemory(from: $0) }
                    buffer[buffer.count - 1] = UInt8(truncatingIfNeeded: index + 1)
                }
                previous = hmac(key: temporaryKey, input)
                let part = all[index * length..<(index + 1) * length]
                previous.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: part).copyMemory(from: $0) }
            }
        }
    }
}
