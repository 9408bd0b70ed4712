import COpenSSL
import CSodium
import Noise

/// Which library does an AEAD. Both do the same; `docs/decisions/008-packet-protection.md` has what they cost.
enum AEADProvider: CaseIterable, Sendable {
    /// OpenSSL's EVP with a context that is kept: the faster one for packets of full size.
    case openSSL
    /// libsodium: where OpenSSL has no such cipher, or no memory.
    case sodium

    /// The ciphers of OpenSSL, looked up once: looking one up takes longer than sealing a hundred packets.
    ///
    /// A library context of our own, so that neither a configuration file nor the environment decides what a cipher is.
    /// Safety: made once, never freed, and only read afterwards; OpenSSL's objects of this kind may be shared by threads.
    private struct Ciphers: @unchecked Sendable {
        let chaCha20Poly1305: OpaquePointer?
        let aes256GCM: OpaquePointer?

        init() {
            let library = OSSL_LIB_CTX_new()
            chaCha20Poly1305 = library.flatMap { EVP_CIPHER_fetch($0, "ChaCha20-Poly1305", nil) }
            aes256GCM = library.flatMap { EVP_CIPHER_fetch($0, "AES-256-GCM", nil) }
        }
    }

    private static let ciphers = Ciphers()

    fileprivate static func openSSL(_ cipher: PacketCipher) -> OpaquePointer? {
        switch cipher {
        case .chaCha20Poly1305: ciphers.chaCha20Poly1305
        case .aes256GCM: ciphers.aes256GCM
        }
    }
}

/// What a key is for: OpenSSL's contexts go one way only.
enum AEADDirection: Sendable {
    case seal, open
}

/// One AEAD key of one direction, in the hands of the library that uses it. A plain value: copying it copies no key, and using it neither
/// allocates nor counts references.
///
/// Safety: the memory belongs to the value that `make` returned; its owner calls `destroy` exactly once and no copy after that. One thread at a
/// time: OpenSSL's context holds the state of the packet in work.
enum AEADKey {
    /// Length of a key, a nonce and a tag in bytes.
    static let keyLength = 32
    static let nonceLength = 12
    static let tagLength = 16

    case openSSL(OpaquePointer)
    case sodiumChaCha20Poly1305(UnsafeMutablePointer<UInt8>)
    case sodiumAES256GCM(UnsafeMutablePointer<crypto_aead_aes256gcm_state>)

    /// Makes a key of 32 bytes with the fastest library that takes it.
    static func make(_ cipher: PacketCipher, _ direction: AEADDirection, key: UnsafeRawBufferPointer) -> AEADKey? {
        make(cipher, direction, key: key, by: .openSSL) ?? make(cipher, direction, key: key, by: .sodium)
    }

    /// Makes a key of 32 bytes; nil when this library cannot do that cipher on this machine.
    static func make(
        _ cipher: PacketCipher, _ direction: AEADDirection, key: UnsafeRawBufferPointer, by provider: AEADProvider
    ) -> AEADKey? {
        guard key.count == keyLength, let bytes = key.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return nil
        }
        switch (provider, cipher) {
        case (.openSSL, _):
            guard let algorithm = AEADProvider.openSSL(cipher) else { return nil }
            return sotto_evp_new(algorithm, bytes, direction == .seal ? 1 : 0).map { .openSSL($0) }
        case (.sodium, .chaCha20Poly1305):
            let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: keyLength)
            memory.initialize(from: bytes, count: keyLength)
            return .sodiumChaCha20Poly1305(memory)
        case (.sodium, .aes256GCM):
            guard crypto_aead_aes256gcm_is_available() == 1 else { return nil }
            let state = UnsafeMutableRawPointer.allocate(
                byteCount: crypto_aead_aes256gcm_statebytes(), alignment: 64
            ).assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)
            _ = crypto_aead_aes256gcm_beforenm(state, bytes)
            return .sodiumAES256GCM(state)
        }
    }

    /// Wipes and frees the key.
    func destroy() {
        switch self {
        case .openSSL(let context):
            EVP_CIPHER_CTX_free(context)
        case .sodiumChaCha20Poly1305(let key):
            sodium_memzero(key, Self.keyLength)
            key.deallocate()
        case .sodiumAES256GCM(let state):
            sodium_memzero(state, crypto_aead_aes256gcm_statebytes())
            UnsafeMutableRawPointer(state).deallocate()
        }
    }

    /// Writes `length` bytes of ciphertext and a tag of 16 to `output`, which may be where the plaintext is. Returns false only when the library
    /// fails.
    @inline(__always)
    func seal(
        into output: UnsafeMutablePointer<UInt8>, _ plaintext: UnsafePointer<UInt8>?, _ length: Int,
        nonce: UnsafePointer<UInt8>, ad: UnsafePointer<UInt8>?, _ adLength: Int
    ) -> Bool {
        switch self {
        case .openSSL(let context):
            sotto_evp_seal(context, output, plaintext, length, nonce, ad, adLength) == 1
        case .sodiumChaCha20Poly1305(let key):
            crypto_aead_chacha20poly1305_ietf_encrypt(
                output, nil, plaintext, UInt64(length), ad, UInt64(adLength), nil, nonce, key) == 0
        case .sodiumAES256GCM(let state):
            crypto_aead_aes256gcm_encrypt_afternm(
                output, nil, plaintext, UInt64(length), ad, UInt64(adLength), nil, nonce, state) == 0
        }
    }

    /// Opens `length` bytes, the tag among them, into `output`, which may be where the ciphertext is. Returns false when the tag is wrong: then
    /// `output` holds nothing of the plaintext.
    @inline(__always)
    func open(
        into output: UnsafeMutablePointer<UInt8>, _ ciphertext: UnsafePointer<UInt8>, _ length: Int,
        nonce: UnsafePointer<UInt8>, ad: UnsafePointer<UInt8>?, _ adLength: Int
    ) -> Bool {
        switch self {
        case .openSSL(let context):
            sotto_evp_open(context, output, ciphertext, length, nonce, ad, adLength) == 1
        case .sodiumChaCha20Poly1305(let key):
            crypto_aead_chacha20poly1305_ietf_decrypt(
                output, nil, nil, ciphertext, UInt64(length), ad, UInt64(adLength), nonce, key) == 0
        case .sodiumAES256GCM(let state):
            crypto_aead_aes256gcm_decrypt_afternm(
                output, nil, nil, ciphertext, UInt64(length), ad, UInt64(adLength), nonce, state) == 0
        }
    }
}
