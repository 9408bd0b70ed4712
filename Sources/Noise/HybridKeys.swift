/// What the KEM of a hybrid handshake needs besides the Diffie-Hellman keys. All of it is made when it is first used, unless a test fixes it.
package struct HybridKeys: ~Copyable, Sendable {
    /// Initiator: the ephemeral key pair.
    private var local: KEMKeyPair?
    /// Responder: the ciphertext that it would make itself.
    private let fixed: KEMEncapsulation?
    /// Responder: the initiator's encapsulation key.
    var remote: [UInt8]?

    /// Nothing fixed: what a handshake outside of tests takes.
    package init() {
        local = nil
        fixed = nil
    }

    /// For the initiator: its ephemeral key pair.
    package init(e1: consuming KEMKeyPair) {
        local = .some(e1)
        fixed = nil
    }

    /// For the responder: the result of its encapsulation.
    package init(encapsulation: consuming KEMEncapsulation) {
        local = nil
        fixed = .some(encapsulation)
    }

    private init(copying other: borrowing HybridKeys) {
        switch other.local {
        case .some(let pair): local = pair.copy()
        case .none: local = nil
        }
        switch other.fixed {
        case .some(let encapsulation): fixed = encapsulation.copy()
        case .none: fixed = nil
        }
        remote = other.remote
    }

    borrowing func copy() -> HybridKeys {
        HybridKeys(copying: self)
    }

    /// The initiator's encapsulation key, made now if there is none yet.
    mutating func publicKey() throws(NoiseError) -> [UInt8] {
        if let key = localPublicKey { return key }
        let pair = try KEMKeyPair.generate()
        let key = pair.publicKey
        local = .some(pair)
        return key
    }

    private var localPublicKey: [UInt8]? {
        switch local {
        case .some(let pair): pair.publicKey
        case .none: nil
        }
    }

    /// Responder: a secret for the initiator.
    borrowing func encapsulate(_ kem: KEMFunction) throws(NoiseError) -> KEMEncapsulation {
        switch fixed {
        case .some(let encapsulation): return encapsulation.copy()
        case .none:
            guard let remote else { throw .missingKey }
            return try kem.encapsulate(to: remote)
        }
    }

    /// Initiator: the secret in the responder's ciphertext.
    borrowing func decapsulate(_ ciphertext: [UInt8]) throws(NoiseError) -> SecretBytes {
        switch local {
        case .some(let pair): return try pair.decapsulate(ciphertext)
        case .none: throw .missingKey
        }
    }
}
