import CMultiBuffer
import COpenSSL
import CSodium
import Noise

/// Which library does an AEAD. All do the same; `docs/decisions/008-packet-protection.md` has what they cost.
enum AEADProvider: CaseIterable, Sendable {
    /// Intel's Multi-Buffer Crypto: by far the fastest for AES-256-GCM, and with AVX-512 for ChaCha20-Poly1305 too. Only on x86-64.
    case multiBuffer
    /// OpenSSL's EVP with a context that is kept: the next best for packets of full size.
    case openSSL
    /// libsodium: where OpenSSL has no such cipher, or no memory.
    case sodium

    /// Whether this machine has it.
    var isAvailable: Bool { self != .multiBuffer || sotto_mb_level() > 0 }

    /// The libraries for a cipher, fastest first.
    static func ranked(for cipher: PacketCipher) -> [AEADProvider] {
        let level = sotto_mb_level()
        return level > 1 || level == 1 && cipher == .aes256GCM
            ? [.multiBuffer, .openSSL, .sodium] : [.openSSL, .sodium]
    }

    /// The ciphers of OpenSSL, looked up once: looking one up takes longer than sealing a hundred packets.
    ///
    /// A library context of our own, so that neither a configuration file nor the environment decides what a cipher is.
    /// Safety: made once, never freed, and only read afterwards; OpenSSL's objects of this kind may be shared by threads.
    private struct Ciphers: @unchecked Sendable {
        let chaCha20Poly1305: OpaquePointer?
        let aes256GCM: OpaquePointer?
        let aes256Block: OpaquePointer?

        init() {
            let library = OSSL_LIB_CTX_new()
            aes256Block = library.flatMap { EVP_CIPHER_fetch($0, "AES-256-ECB", nil) }
            chaCha20Poly1305 = library.flatMap { EVP_CIPHER_fetch($0, "ChaCha20-Poly1305", nil) }
            aes256GCM = library.flatMap { EVP_CIPHER_fetch($0, "AES-256-GCM", nil) }
        }
    }

    private static let ciphers = Ciphers()

    /// OpenSSL's AES-256 for single blocks.
    static var aes256Block: OpaquePointer? { ciphers.aes256Block }

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

    case multiBufferAES256GCM(UnsafeMutableRawPointer)
    case multiBufferChaCha20Poly1305(UnsafeMutablePointer<UInt8>)
    case openSSL(OpaquePointer)
    case sodiumChaCha20Poly1305(UnsafeMutablePointer<UInt8>)
    case sodiumAES256GCM(UnsafeMutablePointer<crypto_aead_aes256gcm_state>)

    /// Makes a key of 32 bytes with the fastest library that takes it.
    static func make(_ cipher: PacketCipher, _ direction: AEADDirection, key: UnsafeRawBufferPointer) -> AEADKey? {
        for provider in AEADProvider.ranked(for: cipher) {
            if let made = make(cipher, direction, key: key, by: provider) { return made }
        }
        return nil
    }

    /// Makes a key of 32 bytes; nil when this library cannot do that cipher on this machine.
    static func make(
        _ cipher: PacketCipher, _ direction: AEADDirection, key: UnsafeRawBufferPointer, by provider: AEADProvider
    ) -> AEADKey? {
        guard key.count == keyLength, let bytes = key.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return nil
        }
        switch (provider, cipher) {
        case (.multiBuffer, _) where !provider.isAvailable: return nil
        case (.multiBuffer, .aes256GCM):
            return sotto_mb_gcm_new(bytes).map { .multiBufferAES256GCM($0) }
        case (.multiBuffer, .chaCha20Poly1305):
            return .multiBufferChaCha20Poly1305(copy(of: bytes))
        case (.openSSL, _):
            guard let algorithm = AEADProvider.openSSL(cipher) else { return nil }
            return sotto_evp_new(algorithm, bytes, direction == .seal ? 1 : 0).map { .openSSL($0) }
        case (.sodium, .chaCha20Poly1305):
            return .sodiumChaCha20Poly1305(copy(of: bytes))
        case (.sodium, .aes256GCM):
            guard crypto_aead_aes256gcm_is_available() == 1 else { return nil }
            let state = UnsafeMutableRawPointer.allocate(
                byteCount: crypto_aead_aes256gcm_statebytes(), alignment: 64
            ).assumingMemoryBound(to: crypto_aead_aes256gcm_state.self)
            _ = crypto_aead_aes256gcm_beforenm(state, bytes)
            return .sodiumAES256GCM(state)
        }
    }

    private static func copy(of key: UnsafePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: keyLength)
        memory.initialize(from: key, count: keyLength)
        return memory
    }

    /// Wipes and frees the key.
    func destroy() {
        switch self {
        case .multiBufferAES256GCM(let key):
            sotto_mb_gcm_free(key)
        case .openSSL(let context):
            EVP_CIPHER_CTX_free(context)
        case .multiBufferChaCha20Poly1305(let key), .sodiumChaCha20Poly1305(let key):
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
        case .multiBufferAES256GCM(let key):
            sotto_mb_gcm_seal(key, output, plaintext, length, nonce, ad, adLength)
            return true
        case .multiBufferChaCha20Poly1305(let key):
            sotto_mb_chacha_seal(key, output, plaintext, length, nonce, ad, adLength)
            return true
        case .openSSL(let context):
            return sotto_evp_seal(context, output, plaintext, length, nonce, ad, adLength) == 1
        case .sodiumChaCha20Poly1305(let key):
            return crypto_aead_chacha20poly1305_ietf_encrypt(
                output, nil, plaintext, UInt64(length), ad, UInt64(adLength), nil, nonce, key) == 0
        case .sodiumAES256GCM(let state):
            return crypto_aead_aes256gcm_encrypt_afternm(
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
        case .multiBufferAES256GCM(let key):
            sotto_mb_gcm_open(key, output, ciphertext, length, nonce, ad, adLength) == 1
        case .multiBufferChaCha20Poly1305(let key):
            sotto_mb_chacha_open(key, output, ciphertext, length, nonce, ad, adLength) == 1
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
