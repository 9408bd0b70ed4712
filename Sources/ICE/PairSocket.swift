import CSotto
import Glibc
import Synchronization
package import Wire

/// What became of a burst handed to `PairSocket.send`.
package enum PairSendResult: Hashable, Sendable {
    /// All of it is with the kernel.
    case sent
    /// The socket's buffer is full: the rest is dropped, as a full queue on the way would.
    case full
    /// A segment is larger than the interface allows; it and what follows are dropped.
    case tooLarge
    /// Another error of `sendmsg`, for example EPERM by a firewall or ENETUNREACH after the network went away.
    case failed(errno: Int32)
}

/// The sending side of a selected pair: a descriptor of its own for libnice's UDP socket, and the peer's address.
///
/// It may outlive the agent. While it lives the local port stays bound, so let it go with the path. Both descriptors share
/// one socket: never connect it and never ask it for errors of the path (IP_RECVERR), because libnice gives a socket up at
/// the first error it reads.
package final class PairSocket: Sendable {
    /// The address the socket is bound to.
    package let local: Endpoint
    /// Where packets go.
    package let remote: Endpoint

    let descriptor: Int32
    let remoteAddress: SocketAddress
    private let segmentation = Atomic<Bool>(true)

    /// Takes over the descriptor, and sets it up: "don't fragment" on every packet, larger buffers as far as the system
    /// lets us. Nil when the descriptor is not a bound IPv4 or IPv6 socket or the address is neither; it is closed then.
    init?(owning descriptor: Int32, remote remoteAddress: SocketAddress) {
        let bound = SocketAddress { address, length in _ = getsockname(descriptor, address, length) }
        guard let local = bound.endpoint, let remote = remoteAddress.endpoint else {
            Glibc.close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        self.local = local
        self.remote = remote
        self.remoteAddress = remoteAddress
        _ = sotto_udp_set_dont_fragment(descriptor, local.address.isV6 ? AF_INET6 : AF_INET)
        var size: Int32 = 4 << 20
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit {
        Glibc.close(descriptor)
    }

    /// Sends datagrams of `segmentSize` bytes each, the last may be shorter; one datagram when `segmentSize` is 0 or not
    /// smaller than the whole. Uses UDP_SEGMENT where the system can. Never blocks; safe on any thread.
    @discardableResult
    package func send(_ bytes: UnsafeRawBufferPointer, segmentSize: Int) -> PairSendResult {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return .sent }
        let segment = segmentSize < bytes.count ? UInt16(clamping: segmentSize) : 0
        let allowed = segmentation.load(ordering: .relaxed)
        var works = allowed
        let error = remoteAddress.withPointer { address, length in
            sotto_udp_send(descriptor, address, length, base, bytes.count, segment, &works, nil)
        }
        if allowed, !works { segmentation.store(false, ordering: .relaxed) }
        switch error {
        case 0: return .sent
        case EAGAIN, ENOBUFS: return .full
        case EMSGSIZE: return .tooLarge
        default: return .failed(errno: error)
        }
    }
}
