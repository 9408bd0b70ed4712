import CNGTCP2
import CSodium
import Noise

extension QUICConnection {
    /// The table of functions that ngtcp2 calls. Each finds its connection through `user`, records, and returns.
    static func makeCallbacks() -> ngtcp2_callbacks {
        var callbacks = ngtcp2_callbacks()
        addCryptoCallbacks(&callbacks)
        addStreamCallbacks(&callbacks)
        callbacks.rand = { destination, length, _ in
            if let destination { randombytes_buf(destination, length) }
        }
        callbacks.get_new_connection_id = { _, id, token, length, user in
            guard let id, let token, length == PacketHeader.connectionIDLength else {
                return NGTCP2_ERR_CALLBACK_FAILURE
            }
            QUICConnection.of(user)?.writeConnectionID(to: id)
            randombytes_buf(token, Int(NGTCP2_STATELESS_RESET_TOKENLEN))
            return 0
        }
        callbacks.get_path_challenge_data = { _, data, _ in
            if let data { randombytes_buf(data, Int(NGTCP2_PATH_CHALLENGE_DATALEN)) }
            return 0
        }
        callbacks.version_negotiation = { _, _, _, _ in NGTCP2_ERR_CALLBACK_FAILURE }
        callbacks.recv_retry = { _, _, _ in NGTCP2_ERR_CALLBACK_FAILURE }
        callbacks.handshake_completed = { _, user in
            QUICConnection.of(user)?.handshakeCompleted()
            return 0
        }
        callbacks.handshake_confirmed = { _, user in
            QUICConnection.of(user)?.isConfirmed = true
            return 0
        }
        callbacks.recv_datagram = { _, _, data, length, user in
            QUICConnection.of(user)?.received(datagram: UnsafeBufferPointer(start: data, count: length))
            return 0
        }
        return callbacks
    }

    private static func addCryptoCallbacks(_ callbacks: inout ngtcp2_callbacks) {
        callbacks.encrypt = packetEncrypt
        callbacks.decrypt = packetDecrypt
        callbacks.hp_mask = packetHeaderMask
        callbacks.delete_crypto_aead_ctx = packetDeleteKey
        callbacks.delete_crypto_cipher_ctx = packetDeleteHeaderKey
        callbacks.client_initial = { _, user in
            QUICConnection.of(user)?.startHandshake() ?? NGTCP2_ERR_CALLBACK_FAILURE
        }
        callbacks.recv_client_initial = { _, _, user in
            QUICConnection.of(user)?.installInitialKeys() ?? NGTCP2_ERR_CALLBACK_FAILURE
        }
        callbacks.recv_crypto_data = { _, level, _, data, length, user in
            QUICConnection.of(user)?.received(crypto: UnsafeBufferPointer(start: data, count: length), at: level)
                ?? NGTCP2_ERR_CALLBACK_FAILURE
        }
        callbacks.update_key = { _, rxSecret, txSecret, rxKey, rxIV, txKey, txIV, oldRx, oldTx, length, user in
            guard let connection = QUICConnection.of(user), let rxSecret, let txSecret, let rxKey, let rxIV, let txKey,
                let txIV, let oldRx, let oldTx, length == KeySchedule.secretLength
            else { return NGTCP2_ERR_CALLBACK_FAILURE }
            rxKey.pointee.native_handle = connection.nextKey(.open, after: oldRx, secret: rxSecret, iv: rxIV)
            txKey.pointee.native_handle = connection.nextKey(.seal, after: oldTx, secret: txSecret, iv: txIV)
            guard rxKey.pointee.native_handle != nil, txKey.pointee.native_handle != nil else {
                packetDeleteKey(nil, rxKey, nil)
                packetDeleteKey(nil, txKey, nil)
                return NGTCP2_ERR_CALLBACK_FAILURE
            }
            return 0
        }
    }

    private static func addStreamCallbacks(_ callbacks: inout ngtcp2_callbacks) {
        callbacks.stream_open = { _, id, user in
            QUICConnection.of(user)?.opened(stream: StreamID(rawValue: id))
            return 0
        }
        callbacks.recv_stream_data = { _, flags, id, _, data, length, user, _ in
            QUICConnection.with(user) {
                $0.received(
                    UnsafeBufferPointer(start: data, count: length), on: StreamID(rawValue: id),
                    isLast: flags & UInt32(NGTCP2_STREAM_DATA_FLAG_FIN) != 0)
            }
            return 0
        }
        callbacks.acked_stream_data_offset = { _, id, offset, length, user, _ in
            QUICConnection.with(user) {
                $0.acknowledged(stream: StreamID(rawValue: id), through: offset &+ length)
            }
            return 0
        }
        callbacks.stream_close = { _, flags, id, code, user, _ in
            let hasCode = flags & UInt32(NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0
            QUICConnection.of(user)?.closed(stream: StreamID(rawValue: id), code: hasCode ? code : nil)
            return 0
        }
        callbacks.stream_reset = { _, id, _, code, user, _ in
            QUICConnection.of(user)?.received(reset: StreamID(rawValue: id), code: code)
            return 0
        }
        callbacks.extend_max_stream_data = { _, id, _, user, _ in
            QUICConnection.of(user)?.unblocked(stream: StreamID(rawValue: id))
            return 0
        }
        callbacks.extend_max_local_streams_bidi = { _, _, user in
            QUICConnection.of(user)?.streamsAvailable()
            return 0
        }
    }

    private static func of(_ user: UnsafeMutableRawPointer?) -> QUICConnection? {
        // Safety: ngtcp2 is freed in this object's deinit, so the object is alive whenever ngtcp2 calls.
        user.map { Unmanaged<QUICConnection>.fromOpaque($0).takeUnretainedValue() }
    }

    /// As above without counting a reference, for what is called with every packet.
    private static func with(_ user: UnsafeMutableRawPointer?, _ body: (QUICConnection) -> Void) {
        // Safety: as above; and whoever called ngtcp2 holds a reference.
        guard let user else { return }
        Unmanaged<QUICConnection>.fromOpaque(user)._withUnsafeGuaranteedRef(body)
    }

    /// The next secret (RFC 9001 §6.1 with Sotto's label), its key and IV.
    private func nextKey(
        _ direction: AEADDirection, after old: UnsafePointer<UInt8>, secret: UnsafeMutablePointer<UInt8>,
        iv: UnsafeMutablePointer<UInt8>
    ) -> UnsafeMutableRawPointer? {
        let length = KeySchedule.secretLength
        KeySchedule.derive(
            .keyUpdate, from: UnsafeRawBufferPointer(start: old, count: length),
            into: UnsafeMutableRawBufferPointer(start: secret, count: length))
        return PacketKey.make(
            cipher: handshake.cipher, direction: direction, level: .application,
            secret: UnsafeRawBufferPointer(start: secret, count: length),
            iv: UnsafeMutableRawBufferPointer(start: iv, count: KeySchedule.ivLength), counters: counters)
    }
}
