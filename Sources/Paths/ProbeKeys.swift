import CSodium

/// Why probe keys could not be made.
package enum ProbeKeyError: Error, Hashable, Sendable {
    /// A key is not 32 bytes long.
    case wrongSize
    /// libsodium could not be initialised.
    case cryptographyUnavailable
}

/// The two keys for path probes, one for each direction, made from the handshake's Split() with labels of their own.
///
/// Not copyable, because a second user of the same keys would repeat nonces. Wiped when it goes.
package struct ProbeKeys: ~Copyable {
    /// The size of each key in bytes.
    package static let byteCount = 32

    // Safety: owned by this value alone from init to deinit, 64 bytes, never handed out beyond a call.
    private let storage: UnsafeMutableRawBufferPointer

    /// Copies two keys of 32 bytes. The caller wipes its own.
    ///
    /// - Parameters:
    ///   - send: the key for probes from this side; the peer's `receive`.
    ///   - receive: the key for probes from the peer.
    /// - Throws: ``ProbeKeyError`` if a size is wrong.
    package init(send: UnsafeRawBufferPointer, receive: UnsafeRawBufferPointer) throws(ProbeKeyError) {
        guard sodium_init() >= 0 else { throw .cryptographyUnavailable }
        guard send.count == ProbeKeys.byteCount, receive.count == ProbeKeys.byteCount else { throw .wrongSize }
        storage = .allocate(byteCount: 2 * ProbeKeys.byteCount, alignment: 16)
        UnsafeMutableRawBufferPointer(rebasing: storage[..<ProbeKeys.byteCount]).copyMemory(from: send)
        UnsafeMutableRawBufferPointer(rebasing: storage[ProbeKeys.byteCount...]).copyMemory(from: receive)
    }

    /// Copies two keys of 32 bytes from arrays, which cannot be wiped reliably: for keys that are no secret.
    package init(send: [UInt8], receive: [UInt8]) throws(ProbeKeyError) {
        guard send.count == ProbeKeys.byteCount, receive.count == ProbeKeys.byteCount else { throw .wrongSize }
        guard sodium_init() >= 0 else { throw .cryptographyUnavailable }
        storage = .allocate(byteCount: 2 * ProbeKeys.byteCount, alignment: 16)
        storage.copyBytes(from: send + receive)
    }

    deinit {
        if let address = storage.baseAddress {
            sodium_memzero(address, storage.count)
        }
        storage.deallocate()
    }

    /// Seals `plaintext` with the sending key. `header` is authenticated and begins the result.
    borrowing func seal(_ plaintext: [UInt8], header: [UInt8], counter: UInt64) -> [UInt8] {
        var packet = header + [UInt8](repeating: 0, count: plaintext.count + ProbeFormat.tagSize)
        let key = UnsafeRawBufferPointer(rebasing: storage[..<ProbeKeys.byteCount])
        let nonce = ProbeFormat.nonce(counter)
        packet.withUnsafeMutableBufferPointer { target in
            guard let start = target.baseAddress, let keyBytes = key.assumingMemoryBound(to: UInt8.self).baseAddress
            else { return }
            _ = crypto_aead_chacha20poly1305_ietf_encrypt(
                start + header.count, nil, plaintext, UInt64(plaintext.count), header, UInt64(header.count), nil,
                nonce, keyBytes)
        }
        return packet
    }

    /// Opens a packet sealed with the peer's sending key; nil if it is not genuine. `headerSize` bytes are in the clear.
    borrowing func open(_ packet: [UInt8], headerSize: Int, counter: UInt64) -> [UInt8]? {
        let sealedSize = packet.count - headerSize
        guard headerSize >= 0, sealedSize >= ProbeFormat.tagSize else { return nil }
        var plaintext = [UInt8](repeating: 0, count: sealedSize - ProbeFormat.tagSize)
        let key = UnsafeRawBufferPointer(rebasing: storage[ProbeKeys.byteCount...])
        let nonce = ProbeFormat.nonce(counter)
        let isGenuine = packet.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress, let keyBytes = key.assumingMemoryBound(to: UInt8.self).baseAddress
            else { return false }
            return crypto_aead_chacha20poly1305_ietf_decrypt(
                &plaintext, nil, nil, start + headerSize, UInt64(sealedSize), start, UInt64(headerSize), nonce,
                keyBytes) == 0
        }
        return isGenuine ? plaintext : nil
    }
}
