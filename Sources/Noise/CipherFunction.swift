import CSodium

/// The AEADs of the specification (Noise revision 34, §4.2, §12.3 and §12.4).
package enum CipherFunction: String, Sendable {
    /// AEAD_CHACHA20_POLY1305, nonce = four zero bytes and n little-endian.
    case chaChaPoly = "ChaChaPoly"
    /// AES-256-GCM, nonce = four zero bytes and n big-endian. libsodium has it only on processors with AES instructions.
    case aesGCM = "AESGCM"

    /// Length of a key in bytes.
    package static let keyLength = 32
    /// Length of an authentication tag in bytes.
    package static let tagLength = 16

    /// Whether this processor can do it.
    package var isAvailable: Bool {
        Sodium.initialize()
        return self == .chaChaPoly || crypto_aead_aes256gcm_is_available() == 1
    }

    private func nonce(_ n: UInt64) -> [UInt8] {
        let ordered = self == .chaChaPoly ? n.littleEndian : n.bigEndian
        return [0, 0, 0, 0] + withUnsafeBytes(of: ordered) { Array($0) }
    }

    /// ENCRYPT(k, n, ad, plaintext): the ciphertext with the tag behind it. `key` is 32 bytes long and the cipher
    /// available: `CipherState` sees to both.
    func encrypt(key: borrowing SecretBytes, nonce n: UInt64, ad: [UInt8], plaintext: [UInt8]) -> [UInt8] {
        let nonce = nonce(n)
        let capacity = plaintext.count + CipherFunction.tagLength
        return [UInt8](unsafeUninitializedCapacity: capacity) { output, initialized in
            guard let base = output.baseAddress else { return }
            let (text, textCount, adCount) = (plaintext, UInt64(plaintext.count), UInt64(ad.count))
            let status = key.withPointer { key in
                switch self {
                case .chaChaPoly:
                    crypto_aead_chacha20poly1305_ietf_encrypt(
                        base, nil, text, textCount, ad, adCount, nil, nonce, key)
                case .aesGCM:
                    crypto_aead_aes256gcm_encrypt(
                        base, nil, text, textCount, ad, adCount, nil, nonce, key)
                }
            }
            initialized = status == 0 ? capacity : 0
        }
    }

    /// DECRYPT(k, n, ad, ciphertext). Throws `messageTooShort` without room for a tag, `authenticationFailed` when it
    /// does not fit.
    func decrypt(
        key: borrowing SecretBytes, nonce n: UInt64, ad: [UInt8], ciphertext: [UInt8]
    ) throws(NoiseError) -> [UInt8] {
        guard ciphertext.count >= CipherFunction.tagLength else { throw .messageTooShort }
        let nonce = nonce(n)
        let capacity = ciphertext.count - CipherFunction.tagLength
        var status: CInt = -1
        // One byte more, so that there is an address to write to even for an empty plaintext.
        let plaintext = [UInt8](unsafeUninitializedCapacity: capacity + 1) { output, initialized in
            guard let base = output.baseAddress else { return }
            let (text, textCount, adCount) = (ciphertext, UInt64(ciphertext.count), UInt64(ad.count))
            status = key.withPointer { key in
                switch self {
                case .chaChaPoly:
                    crypto_aead_chacha20poly1305_ietf_decrypt(
                        base, nil, nil, text, textCount, ad, adCount, nonce, key)
                case .aesGCM:
                    crypto_aead_aes256gcm_decrypt(
                        base, nil, nil, text, textCount, ad, adCount, nonce, key)
                }
            }
            initialized = status == 0 ? capacity : 0
        }
        guard status == 0 else { throw .authenticationFailed }
        return plaintext
    }
}
