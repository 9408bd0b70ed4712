import CSodium
import Identity
import Noise

/// One session with a peer: a Double Ratchet and how it came about.
struct Session: Sendable {
    static let idByteCount = 32

    /// BLAKE2b-256 of the PQXDH prefix: the same on both sides, different for every session.
    let id: [UInt8]
    let initiatedByUs: Bool
    /// Never used to send again, whatever comes through it.
    var isReceiveOnly = false
    /// What our messages carry until the peer has answered.
    var prefix: PQXDHPrefix?
    var ratchet: DoubleRatchet

    static func id(of prefix: PQXDHPrefix) -> [UInt8] {
        Sodium.initialize()
        var id = [UInt8](repeating: 0, count: idByteCount)
        _ = crypto_generichash(&id, id.count, prefix.bytes, UInt64(prefix.bytes.count), nil, 0)
        return id
    }

    var canSend: Bool { !isReceiveOnly && ratchet.canSend }

    /// AD of PQXDH and of every message: `label ‖ initiator's peer id ‖ responder's peer id ‖ session id`.
    func associatedData(own: PeerID, peer: PeerID) -> [UInt8] {
        let (initiator, responder) = initiatedByUs ? (own, peer) : (peer, own)
        return Session.label + initiator.bytes + responder.bytes + id
    }

    private static let label = Array("sotto-ratchet/1".utf8)
}
