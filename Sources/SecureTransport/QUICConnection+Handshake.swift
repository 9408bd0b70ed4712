import CNGTCP2
import CSodium
import Noise

// The handshake: Noise messages in CRYPTO frames, and the keys that come of them. Everything here returns an error code
// of ngtcp2, 0 for none, because ngtcp2's callbacks are what drives it.

extension QUICConnection {
    /// Client: message 1.
    func startHandshake() -> CInt {
        let status = installInitialKeys()
        guard status == 0 else { return status }
        guard let parameters = encodeTransportParameters(),
            let message = try? handshake.writeInitiatorMessage(transportParameters: parameters)
        else { return NGTCP2_ERR_CALLBACK_FAILURE }
        return submit(message, at: NGTCP2_CRYPTO_LEVEL_INITIAL)
    }

    /// A piece of the peer's CRYPTO stream, in order.
    func received(crypto piece: UnsafeBufferPointer<UInt8>, at level: ngtcp2_crypto_level) -> CInt {
        // Others can make Initial packets too: what comes after message 1 must not spoil what follows.
        if role == .responder, level == NGTCP2_CRYPTO_LEVEL_INITIAL, handshake.initiatorMessage != nil {
            return NGTCP2_ERR_PROTO
        }
        do {
            guard let message = try handshake.assembler.append(piece) else { return 0 }
            switch (message.type, role, level) {
            case (.initiator, .responder, NGTCP2_CRYPTO_LEVEL_INITIAL):
                // Only kept: reading it is the caller's decision, and answering it `answer`'s business after that.
                handshake.keep(initiatorMessage: message.body)
                return 0
            case (.responder, .initiator, NGTCP2_CRYPTO_LEVEL_INITIAL):
                return try receivedResponderMessage(message.body)
            case (.confirmation, .responder, NGTCP2_CRYPTO_LEVEL_HANDSHAKE):
                return receivedConfirmation(message.body)
            default:
                return NGTCP2_ERR_PROTO
            }
        } catch {
            return NGTCP2_ERR_CRYPTO
        }
    }

    /// Server: message 2. Called outside of ngtcp2, after the caller was authorised and `handshake.greeting` set.
    func answer() throws(TransportError) {
        guard setRemoteTransportParameters(handshake.remoteTransportParameters) == 0,
            let parameters = encodeTransportParameters(),
            let (message, box) = try? handshake.writeResponderMessage(transportParameters: parameters),
            submit(message, at: NGTCP2_CRYPTO_LEVEL_INITIAL) == 0,
            installHandshakeKeys(box.secrets.handshake) == 0,
            installSendKey(box.secrets.application.server) == 0
        else { throw .handshakeFailed }
        pendingReceiveSecret = box.secrets.application.client.copy()
        keepProbeSecrets(of: box.secrets)
    }

    /// Client: message 2 ends Noise; the confirmation goes out with the first 1-RTT packets.
    private func receivedResponderMessage(_ body: [UInt8]) throws -> CInt {
        let (parameters, box) = try handshake.readResponderMessage(body)
        let status = setRemoteTransportParameters(parameters)
        guard status == 0 else { return status }
        guard let ngtcp2, installHandshakeKeys(box.secrets.handshake) == 0,
            installSendKey(box.secrets.application.client) == 0,
            installReceiveKey(box.secrets.application.server) == 0,
            submit(try handshake.confirmation(box.secrets), at: NGTCP2_CRYPTO_LEVEL_HANDSHAKE) == 0
        else { return NGTCP2_ERR_CALLBACK_FAILURE }
        keepProbeSecrets(of: box.secrets)
        ngtcp2_conn_handshake_completed(ngtcp2)
        return 0
    }

    /// Server: only now is the caller known to be alive, and not a replay of somebody's message 1.
    private func receivedConfirmation(_ body: [UInt8]) -> CInt {
        guard handshake.accepts(confirmation: body), let secret = pendingReceiveSecret.take() else {
            return NGTCP2_ERR_CRYPTO
        }
        guard let ngtcp2, installReceiveKey(secret) == 0 else { return NGTCP2_ERR_CALLBACK_FAILURE }
        ngtcp2_conn_handshake_completed(ngtcp2)
        return 0
    }

    func handshakeCompleted() {
        guard phase == .handshaking else { return }
        phase = .established
        if role == .responder { isConfirmed = true }
        events.append(.handshakeCompleted(greeting: handshake.remoteGreeting))
    }

    private func keepProbeSecrets(of secrets: borrowing SessionSecrets) {
        probeSecrets = DirectionalSecrets(client: secrets.probe.client.copy(), server: secrets.probe.server.copy())
    }
}

// Keys and transport parameters.

extension QUICConnection {
    /// Initial keys: always ChaCha20-Poly1305.
    func installInitialKeys() -> CInt {
        guard let ngtcp2 else { return NGTCP2_ERR_CALLBACK_FAILURE }
        var context = cryptoContext(for: .chaCha20Poly1305)
        ngtcp2_conn_set_initial_crypto_ctx(ngtcp2, &context)
        ngtcp2_conn_set_crypto_ctx(ngtcp2, &context)
        let secrets = KeySchedule.initialSecrets(
            responder: handshake.responder, firstConnectionID: firstConnectionID)
        var receive = KeyMaterial(.open, secret: receiving(secrets), .chaCha20Poly1305, .initial, counters)
        var send = KeyMaterial(.seal, secret: sending(secrets), .chaCha20Poly1305, .initial, counters)
        let status = ngtcp2_conn_install_initial_key(
            ngtcp2, &receive.key, receive.iv, &receive.headerKey, &send.key, send.iv, &send.headerKey,
            KeySchedule.ivLength)
        receive.handedOver(status)
        send.handedOver(status)
        return status
    }

    private func installHandshakeKeys(_ secrets: borrowing DirectionalSecrets) -> CInt {
        guard let ngtcp2 else { return NGTCP2_ERR_CALLBACK_FAILURE }
        var context = cryptoContext(for: handshake.cipher)
        ngtcp2_conn_set_crypto_ctx(ngtcp2, &context)
        var receive = KeyMaterial(.open, secret: receiving(secrets), handshake.cipher, .handshake, counters)
        var status = ngtcp2_conn_install_rx_handshake_key(
            ngtcp2, &receive.key, receive.iv, KeySchedule.ivLength, &receive.headerKey)
        receive.handedOver(status)
        guard status == 0 else { return status }
        var send = KeyMaterial(.seal, secret: sending(secrets), handshake.cipher, .handshake, counters)
        status = ngtcp2_conn_install_tx_handshake_key(
            ngtcp2, &send.key, send.iv, KeySchedule.ivLength, &send.headerKey)
        send.handedOver(status)
        return status
    }

    private func installSendKey(_ secret: borrowing SecretBytes) -> CInt {
        guard let ngtcp2 else { return NGTCP2_ERR_CALLBACK_FAILURE }
        var send = KeyMaterial(.seal, secret: secret.copy(), handshake.cipher, .application, counters)
        let status = secret.withUnsafeBytes {
            ngtcp2_conn_install_tx_key(
                ngtcp2, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count, &send.key, send.iv,
                KeySchedule.ivLength, &send.headerKey)
        }
        send.handedOver(status)
        return status
    }

    private func installReceiveKey(_ secret: borrowing SecretBytes) -> CInt {
        guard let ngtcp2 else { return NGTCP2_ERR_CALLBACK_FAILURE }
        var receive = KeyMaterial(.open, secret: secret.copy(), handshake.cipher, .application, counters)
        let status = secret.withUnsafeBytes {
            ngtcp2_conn_install_rx_key(
                ngtcp2, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count, &receive.key, receive.iv,
                KeySchedule.ivLength, &receive.headerKey)
        }
        receive.handedOver(status)
        return status
    }

    /// The secret for what we send.
    private func sending(_ secrets: borrowing DirectionalSecrets) -> SecretBytes {
        role == .initiator ? secrets.client.copy() : secrets.server.copy()
    }

    /// The secret for what the peer sends.
    private func receiving(_ secrets: borrowing DirectionalSecrets) -> SecretBytes {
        role == .initiator ? secrets.server.copy() : secrets.client.copy()
    }

    private func cryptoContext(for cipher: PacketCipher) -> ngtcp2_crypto_ctx {
        var context = ngtcp2_crypto_ctx()
        context.aead.max_overhead = 16
        context.max_encryption = min(cipher.confidentialityLimit, configuration.confidentialityLimit)
        context.max_decryption_failure = min(cipher.integrityLimit, configuration.integrityLimit)
        return context
    }

    private func submit(_ message: [UInt8], at level: ngtcp2_crypto_level) -> CInt {
        // ngtcp2 copies the bytes.
        guard let ngtcp2 else { return NGTCP2_ERR_CALLBACK_FAILURE }
        return ngtcp2_conn_submit_crypto_data(ngtcp2, level, message, message.count)
    }

    /// Our transport parameters without two that ngtcp2 adds by itself: version information, because there is one
    /// version, and the permission to clear the fixed bit (RFC 9287), which tells packets from probes.
    private func encodeTransportParameters() -> [UInt8]? {
        guard let ngtcp2, let local = ngtcp2_conn_get_local_transport_params(ngtcp2) else { return nil }
        var parameters = local.pointee
        parameters.version_info_present = 0
        parameters.grease_quic_bit = 0
        var buffer = [UInt8](repeating: 0, count: 1024)
        let length = sotto_ngtcp2_encode_transport_params(
            &buffer, buffer.count, role == .initiator ? 1 : 0, &parameters)
        return length < 0 ? nil : Array(buffer.prefix(length))
    }

    /// Feeds the peer's transport parameters to ngtcp2, unless they use what this protocol does not have: ngtcp2
    /// asserts on some of it.
    private func setRemoteTransportParameters(_ bytes: [UInt8]) -> CInt {
        guard let ngtcp2 else { return NGTCP2_ERR_CALLBACK_FAILURE }
        var parameters = ngtcp2_transport_params()
        let status = sotto_ngtcp2_decode_transport_params(
            &parameters, role == .responder ? 1 : 0, bytes, bytes.count)
        guard status == 0 else { return status }
        guard parameters.version_info_present == 0, parameters.grease_quic_bit == 0,
            parameters.preferred_address_present == 0, parameters.retry_scid_present == 0,
            parameters.initial_scid.datalen == PacketHeader.connectionIDLength
        else { return NGTCP2_ERR_TRANSPORT_PARAM }
        return ngtcp2_conn_decode_remote_transport_params(ngtcp2, bytes, bytes.count)
    }
}

/// A packet key, its IV and its header-protection key, on the way to ngtcp2, which owns the keys once it took them.
private struct KeyMaterial {
    var key = ngtcp2_crypto_aead_ctx()
    var headerKey = ngtcp2_crypto_cipher_ctx()
    var iv = [UInt8](repeating: 0, count: KeySchedule.ivLength)

    init(
        _ direction: AEADDirection, secret: consuming SecretBytes, _ cipher: PacketCipher, _ level: PacketLevel,
        _ counters: UnsafeMutablePointer<PacketCounters>
    ) {
        secret.withUnsafeBytes { secret in
            key.native_handle = iv.withUnsafeMutableBytes {
                PacketKey.make(
                    cipher: cipher, direction: direction, level: level, secret: secret, iv: $0, counters: counters)
            }
            headerKey.native_handle = HeaderProtectionKey.make(cipher: cipher, secret: secret)
        }
    }

    /// Wipes the IV, which ngtcp2 has copied; frees the keys when ngtcp2 did not take them.
    mutating func handedOver(_ status: CInt) {
        iv.wipe()
        guard status != 0 else { return }
        packetDeleteKey(nil, &key, nil)
        packetDeleteHeaderKey(nil, &headerKey, nil)
    }
}
