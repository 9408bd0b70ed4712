import Foundation
import Identity
import Messenger
import PeerLab
import Wire

/// Milliseconds since 1970.
func wallClock() -> UInt64 { UInt64(Date().timeIntervalSince1970 * 1000) }

extension ScriptedPeer {
    /// What an honest peer says in the handshake.
    func greeting(token: [UInt8] = [], name: String = "peer", as peer: PeerID? = nil) -> [UInt8] {
        Greeting(peer: peer ?? id, token: token, name: name).encode()
    }
}
