package import Identity
package import Noise
package import Paths

extension SecureSession {
    /// Calls a peer. The first packets are ready at once; add the relay path and `transmit`.
    ///
    /// - Parameters:
    ///   - greeting: at most 256 bytes for the peer's `authorize`. Encrypted to the peer's static key, but without
    ///     forward secrecy, and whoever records the packet can send it to the peer again.
    /// - Throws: `greetingTooLong`, `internalFailure`.
    package static func connect(
        identity: Identity, to peer: PeerID, greeting: [UInt8],
        configuration: SessionConfiguration = SessionConfiguration(),
        pathConfiguration: PathConfiguration = PathConfiguration(), now: MonotonicTime
    ) throws(TransportError) -> SecureSession {
        try connect(
            keys: identity.noiseKeyPair(), to: peer.noisePublicKey, greeting: greeting, configuration: configuration,
            pathConfiguration: pathConfiguration, now: now)
    }

    /// Answers a call. `firstPacket` is a datagram that `classify` called `.initial` and that belongs to no session.
    ///
    /// - Parameters:
    ///   - path: the path that the packet came by; it is added.
    ///   - kind: what that path is.
    ///   - authorize: gets the caller's static key and greeting and returns our greeting (at most 256 bytes), or nil to
    ///     refuse: then nothing is sent and no state kept. The caller may be a replay of an earlier call until
    ///     `handshakeCompleted` comes.
    /// - Throws: `notForUs` before any public-key work; `handshakeFailed`, `refused`, `greetingTooLong` after one or
    ///   two X25519 operations.
    package static func accept(
        _ firstPacket: UnsafeRawBufferPointer, identity: Identity, on path: PathID, kind: PathKind = .relay,
        configuration: SessionConfiguration = SessionConfiguration(),
        pathConfiguration: PathConfiguration = PathConfiguration(),
        authorize: (PublicKey, [UInt8]) -> [UInt8]?, now: MonotonicTime
    ) throws(TransportError) -> SecureSession {
        try accept(
            firstPacket, keys: identity.noiseKeyPair(), on: path, kind: kind, configuration: configuration,
            pathConfiguration: pathConfiguration, authorize: authorize, now: now)
    }
}
