/// The ciphers that can protect a session's packets, by the names that people and scripts use.
package enum CipherName: String, Sendable, CaseIterable {
    /// ChaCha20-Poly1305 (RFC 8439).
    case chaCha20Poly1305 = "chacha20-poly1305"
    /// AES-256-GCM (NIST SP 800-38D), where the processor does it in hardware.
    case aes256GCM = "aes-256-gcm"
}
