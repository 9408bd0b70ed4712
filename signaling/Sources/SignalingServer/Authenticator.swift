import Identity
import Wire

/// Checks logins.
enum Authenticator {
    enum Verdict: Hashable, Sendable {
        case accepted
        /// The signature is good, but for another server, or for a name that this one does not know as its own.
        case wrongHost
        case rejected
    }

    /// Judges a login.
    ///
    /// - Parameters:
    ///   - names: the server's own names.
    ///   - hint: the host that the client says it dialed. Only used to try that name first, and to tell a client that
    ///     dialed an unknown name from one that lies.
    static func judge(
        peer: PeerKey, signature: [UInt8], nonce: [UInt8], names: [HostName], hint: HostName?
    ) -> Verdict {
        guard let peer = try? PeerID(peer) else { return .rejected }
        func holds(_ host: HostName) -> Bool {
            peer.verify(
                signature: signature, message: SignalingFrame.authenticationTranscript(host: host, nonce: nonce))
        }
        let ordered = names.filter { $0 == hint } + names.filter { $0 != hint }
        if ordered.contains(where: holds) { return .accepted }
        guard let hint, !names.contains(hint), holds(hint) else { return .rejected }
        return .wrongHost
    }
}
