import ICE
import Wire

/// A socket through which a port search has found the peer, and which the session alone uses.
struct FoundSocket {
    /// Our end as the peer sees it.
    let local: Endpoint
    let remote: Endpoint
    let sender: PairSocket
    /// Owned by who has this.
    let receiver: SteeredSocket

    /// Nobody wants it, and nobody reads it.
    func discard() { SocketSet.close(receiver) }
}
