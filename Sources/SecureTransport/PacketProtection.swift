import CNGTCP2
import COpenSSL
import CSodium
import Noise

// Packet protection: RFC 9001 §5 with Sotto's keys. ngtcp2 holds each key as an opaque pointer and calls the functions
// below for every packet, so they neither allocate nor touch reference counts.

/// What the packet functions count, one for each connection.
struct PacketCounters {
    /// 1-RTT packets sealed and opened since the last key update that this end began.
    var sealedWithCurrentKey: UInt64 = 0
    var openedWithCurrentKey: UInt64 = 0
    /// Packets that opened under keys that only the peer can have (Handshake and 1-RTT).
    var opened: UInt64 = 0
    /// Initial packets that opened: they come from who knows the answerer's public key, and no more is proven.
    var openedInitial: UInt64 = 0
    /// Packets that did not open, of any kind.
    var rejected: UInt64 = 0
    /// Highest 1-RTT packet number opened since this was last set to nil.
    var highestOpened: UInt64?
}

/// Which packets a key is for.
enum PacketLevel: UInt8 {
    case initial, handshake, application
}

/// One packet key with what it counts, in memory of its own that never moves.
///
/// Safety: allocated by `make`, owned by ngtcp2 from a successful `install…` on, freed by `destroy` exactly once (its
/// `delete_crypto_aead_ctx` callback, or the caller when installing failed).
struct PacketKey {
    private let aead: AEADKey
    private let level: PacketLevel
    /// Last 8 bytes of the IV as a number: a nonce's last 8 bytes XOR this is the packet number (RFC 9001 §5.3).
    private let ivTail: UInt64
    private let counters: UnsafeMutablePointer<PacketCounters>

    /// Makes the key that belongs to a traffic secret of 32 bytes and writes its IV (12 bytes). Nil when no library takes it.
    static func make(
        cipher: PacketCipher, direction: AEADDirection, level: PacketLevel, secret: UnsafeRawBufferPointer,
        iv: UnsafeMutableRawBufferPointer, counters: UnsafeMutablePointer<PacketCounters>
    ) -> UnsafeMutableRawPointer? {
        KeySchedule.derive(.packetIV, from: secret).withUnsafeBytes { derived in
            iv.copyMemory(from: UnsafeRawBufferPointer(rebasing: derived[..<KeySchedule.ivLength]))
        }
        let tail = UInt64(bigEndian: iv.loadUnaligned(fromByteOffset: 4, as: UInt64.self))
        let derived = KeySchedule.derive(.packetKey, from: secret)
        guard let aead = derived.withUnsafeBytes({ AEADKey.make(cipher, direction, key: $0) }) else { return nil }
        let memory = UnsafeMutablePointer<PacketKey>.allocate(capacity: 1)
        memory.initialize(to: PacketKey(aead: aead, level: level, ivTail: tail, counters: counters))
        return UnsafeMutableRawPointer(memory)
    }

    /// Wipes and frees a key.
    static func destroy(_ memory: UnsafeMutableRawPointer) {
        let key = memory.assumingMemoryBound(to: PacketKey.self)
        key.pointee.aead.destroy()
        sodium_memzero(memory, MemoryLayout<PacketKey>.size)
        key.deallocate()
    }

    static func seal(
        _ memory: UnsafeMutableRawPointer, into output: UnsafeMutablePointer<UInt8>, _ plaintext: UnsafePointer<UInt8>?,
        _ length: Int, nonce: UnsafePointer<UInt8>, ad: UnsafePointer<UInt8>?, _ adLength: Int
    ) -> Bool {
        let key = memory.assumingMemoryBound(to: PacketKey.self).pointee
        if key.level == .application { key.counters.pointee.sealedWithCurrentKey &+= 1 }
        return key.aead.seal(into: output, plaintext, length, nonce: nonce, ad: ad, adLength)
    }

    static func open(
        _ memory: UnsafeMutableRawPointer, into output: UnsafeMutablePointer<UInt8>, _ ciphertext: UnsafePointer<UInt8>,
        _ length: Int, nonce: UnsafePointer<UInt8>, ad: UnsafePointer<UInt8>?, _ adLength: Int
    ) -> Bool {
        let key = memory.assumingMemoryBound(to: PacketKey.self).pointee
        let counters = key.counters
        guard key.aead.open(into: output, ciphertext, length, nonce: nonce, ad: ad, adLength) else {
            counters.pointee.rejected &+= 1
            return false
        }
        switch key.level {
        case .initial:
            counters.pointee.openedInitial &+= 1
        case .handshake:
            counters.pointee.opened &+= 1
        case .application:
            counters.pointee.opened &+= 1
            counters.pointee.openedWithCurrentKey &+= 1
            let tail = UInt64(bigEndian: UnsafeRawPointer(nonce).loadUnaligned(fromByteOffset: 4, as: UInt64.self))
            let number = tail ^ key.ivTail
            counters.pointee.highestOpened = max(counters.pointee.highestOpened ?? 0, number)
        }
        return true
    }
}

/// Header protection (RFC 9001 §5.4): AES-256 for packets under AES-256-GCM, ChaCha20 for the others. A key is in memory of its own that never moves, and
/// never changed by a key update.
///
/// Safety: allocated by `make`, owned by ngtcp2 as a `PacketKey` is, freed by `destroy` exactly once.
struct HeaderProtectionKey {
    private enum Cipher {
        case aes256(OpaquePointer)
        /// 32 bytes.
        case chaCha20(UnsafeMutablePointer<UInt8>)
    }

    private let cipher: Cipher

    /// Makes the key that belongs to a traffic secret of 32 bytes. Nil when OpenSSL has no memory for it.
    static func make(cipher: PacketCipher, secret: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
        KeySchedule.derive(.headerProtection, from: secret).withUnsafeBytes { derived in
            make(cipher: cipher, key: UnsafeRawBufferPointer(rebasing: derived[..<AEADKey.keyLength]))
        }
    }

    /// Makes it from the key itself, 32 bytes.
    static func make(cipher: PacketCipher, key: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
        guard key.count == AEADKey.keyLength, let bytes = key.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return nil
        }
        let made: Cipher
        switch cipher {
        case .chaCha20Poly1305:
            let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: AEADKey.keyLength)
            copy.initialize(from: bytes, count: AEADKey.keyLength)
            made = .chaCha20(copy)
        case .aes256GCM:
            guard let context = AEADProvider.aes256Block.flatMap({ sotto_evp_block_new($0, bytes) }) else { return nil }
            made = .aes256(context)
        }
        let memory = UnsafeMutablePointer<HeaderProtectionKey>.allocate(capacity: 1)
        memory.initialize(to: HeaderProtectionKey(cipher: made))
        return UnsafeMutableRawPointer(memory)
    }

    static func destroy(_ memory: UnsafeMutableRawPointer) {
        let key = memory.assumingMemoryBound(to: HeaderProtectionKey.self)
        switch key.pointee.cipher {
        case .aes256(let context):
            EVP_CIPHER_CTX_free(context)
        case .chaCha20(let bytes):
            sodium_memzero(bytes, AEADKey.keyLength)
            bytes.deallocate()
        }
        key.deallocate()
    }

    /// Writes the 5 bytes of the mask for a sample of 16 bytes. Returns false only when the library fails.
    static func mask(
        _ memory: UnsafeMutableRawPointer, sample: UnsafePointer<UInt8>, into output: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        switch memory.assumingMemoryBound(to: HeaderProtectionKey.self).pointee.cipher {
        case .aes256(let context):
            var block: (UInt64, UInt64) = (0, 0)
            return withUnsafeMutableBytes(of: &block) { block in
                guard let start = block.baseAddress,
                    sotto_evp_block(context, start.assumingMemoryBound(to: UInt8.self), sample) == 1
                else { return false }
                UnsafeMutableRawPointer(output).copyMemory(from: start, byteCount: 5)
                return true
            }
        case .chaCha20(let key):
            let counter = UInt32(littleEndian: UnsafeRawPointer(sample).loadUnaligned(as: UInt32.self))
            var zeros: (UInt32, UInt32) = (0, 0)
            return withUnsafeBytes(of: &zeros) { zeros in
                guard let zeros = zeros.baseAddress else { return false }
                return crypto_stream_chacha20_ietf_xor_ic(
                    output, zeros.assumingMemoryBound(to: UInt8.self), 5, sample + 4, counter, key) == 0
            }
        }
    }
}

// The functions that ngtcp2 calls. A null handle means that ngtcp2 wants a packet type which Sotto does not have
// (Retry): refused.

func packetEncrypt(
    _ output: UnsafeMutablePointer<UInt8>?, _: UnsafePointer<ngtcp2_crypto_aead>?,
    _ context: UnsafePointer<ngtcp2_crypto_aead_ctx>?, _ plaintext: UnsafePointer<UInt8>?, _ length: Int,
    _ nonce: UnsafePointer<UInt8>?, _ nonceLength: Int, _ ad: UnsafePointer<UInt8>?, _ adLength: Int
) -> CInt {
    guard let output, let nonce, let memory = context?.pointee.native_handle, nonceLength == KeySchedule.ivLength,
        PacketKey.seal(memory, into: output, plaintext, length, nonce: nonce, ad: ad, adLength)
    else { return NGTCP2_ERR_CALLBACK_FAILURE }
    return 0
}

func packetDecrypt(
    _ output: UnsafeMutablePointer<UInt8>?, _: UnsafePointer<ngtcp2_crypto_aead>?,
    _ context: UnsafePointer<ngtcp2_crypto_aead_ctx>?, _ ciphertext: UnsafePointer<UInt8>?, _ length: Int,
    _ nonce: UnsafePointer<UInt8>?, _ nonceLength: Int, _ ad: UnsafePointer<UInt8>?, _ adLength: Int
) -> CInt {
    guard let output, let ciphertext, let nonce, let memory = context?.pointee.native_handle,
        nonceLength == KeySchedule.ivLength,
        PacketKey.open(memory, into: output, ciphertext, length, nonce: nonce, ad: ad, adLength)
    else { return NGTCP2_ERR_DECRYPT }
    return 0
}

func packetHeaderMask(
    _ output: UnsafeMutablePointer<UInt8>?, _: UnsafePointer<ngtcp2_crypto_cipher>?,
    _ context: UnsafePointer<ngtcp2_crypto_cipher_ctx>?, _ sample: UnsafePointer<UInt8>?
) -> CInt {
    guard let output, let sample, let memory = context?.pointee.native_handle,
        HeaderProtectionKey.mask(memory, sample: sample, into: output)
    else { return NGTCP2_ERR_CALLBACK_FAILURE }
    return 0
}

func packetDeleteKey(
    _: OpaquePointer?, _ context: UnsafeMutablePointer<ngtcp2_crypto_aead_ctx>?, _: UnsafeMutableRawPointer?
) {
    guard let context, let memory = context.pointee.native_handle else { return }
    PacketKey.destroy(memory)
    context.pointee.native_handle = nil
}

func packetDeleteHeaderKey(
    _: OpaquePointer?, _ context: UnsafeMutablePointer<ngtcp2_crypto_cipher_ctx>?, _: UnsafeMutableRawPointer?
) {
    guard let context, let memory = context.pointee.native_handle else { return }
    HeaderProtectionKey.destroy(memory)
    context.pointee.native_handle = nil
}
