import CSodium

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha): ENCRYPT, DECRYPT, HENCRYPT and HDECRYPT of Double Ratchet.
enum AEAD {
    static let nonceByteCount = 24
    static let tagByteCount = 16

    static func seal(_ plaintext: [UInt8], key: Secret, nonce: [UInt8], ad: [UInt8]) -> [UInt8] {
        let capacity = plaintext.count + tagByteCount
        return [UInt8](unsafeUninitializedCapacity: capacity) { output, initialized in
            guard let base = output.baseAddress else { return }
            let status = key.bytes.lend {
                crypto_aead_xchacha20poly1305_ietf_encrypt(
                    base, nil, plaintext, UInt64(plaintext.count), ad, UInt64(ad.count), nil, nonce, $0)
            }
            initialized = status == 0 ? capacity : 0
        }
    }

    /// Nil when it was not sealed so.
    static func open(_ ciphertext: [UInt8], key: Secret, nonce: [UInt8], ad: [UInt8]) -> [UInt8]? {
        guard ciphertext.count >= tagByteCount, nonce.count == nonceByteCount else { return nil }
        let count = ciphertext.count - tagByteCount
        var status: CInt?
        // One byte more, so that there is an address to write to even for an empty plaintext.
        let plaintext = [UInt8](unsafeUninitializedCapacity: count + 1) { output, initialized in
            guard let base = output.baseAddress else { return }
            status = key.bytes.lend {
                crypto_aead_xchacha20poly1305_ietf_decrypt(
                    base, nil, nil, ciphertext, UInt64(ciphertext.count), ad, UInt64(ad.count), nonce, $0)
            }
            initialized = status == 0 ? count : 0
        }
        return status == 0 ? plaintext : nil
    }
}
