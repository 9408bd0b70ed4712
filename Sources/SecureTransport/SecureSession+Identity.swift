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

    /// Answers a call, which must be complete.
    ///
    /// - Parameters:
    ///   - call: what `IncomingCalls` gave, or an `IncomingCall` that `isComplete`.
    ///   - path: the path that the packet came by; it is added.
    ///   - kind: what that path is.
    ///   - authorize: gets the caller's static key and greeting and returns our greeting (at most 256 bytes), or nil to
    ///     refuse: then nothing is sent and no state kept. The caller may be a replay of an earlier call until
    ///     `handshakeCompleted` comes.
    /// - Throws: `handshakeFailed`, `refused`, `greetingTooLong`, after at most two X25519 operations; `handshakeFailed` for an incomplete call
    ///   and for a suite that we do not take, without any.
    package static func accept(
        _ call: IncomingCall, identity: Identity, on path: PathID, kind: PathKind = .relay,
        pathConfiguration: PathConfiguration = PathConfiguration(),
        authorize: (PublicKey, [UInt8]) -> [UInt8]?, now: MonotonicTime
    ) throws(TransportError) -> SecureSession {
        try accept(
            call, keys: identity.noiseKeyPair(), on: path, kind: kind, pathConfiguration: pathConfiguration,
            authorize: authorize, now: now)
    }
}
