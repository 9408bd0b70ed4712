import CSotto
import Glibc
package import Wire

/// Several UDP sockets of IPv4, read together: what a port search sends from. Owned by one thread.
///
/// Looking whether anything has arrived costs one system call however many there are.
package final class SocketSet {
    /// A datagram, and the socket that it came to.
    package struct Datagram: Sendable {
        /// The number of the socket, in the order of opening.
        package let socket: Int
        /// The sender as the packet says.
        package let from: Endpoint
        /// What it says; cut to ``SocketSet/maximumDatagram``.
        package let bytes: [UInt8]
    }

    /// Longer datagrams are cut: nothing that is read here is longer.
    package static let maximumDatagram = 1_500

    /// A descriptor is -1 for a socket that was taken: `poll` passes over it.
    private var entries: [pollfd] = []

    /// An empty set.
    package init() {}

    deinit {
        for entry in entries where entry.fd >= 0 { Glibc.close(entry.fd) }
    }

    /// How many were opened.
    package var count: Int { entries.count }

    /// Opens another socket on a free port; false when the process has no descriptor left.
    package func open() -> Bool {
        let kind = SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let descriptor = socket(AF_INET, Int32(kind), 0)
        guard descriptor >= 0 else { return false }
        let any = SocketAddress(Endpoint(address: .v4(0, 0, 0, 0), port: 0))
        let isBound = any.withPointer { bind(descriptor, $0, $1) } == 0
        guard isBound else {
            Glibc.close(descriptor)
            return false
        }
        entries.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
        return true
    }

    /// The port that a socket is bound to; 0 for one that is not there.
    package func port(of socket: Int) -> UInt16 {
        guard let descriptor = descriptor(socket) else { return 0 }
        return SocketAddress { _ = getsockname(descriptor, $0, $1) }.endpoint?.port ?? 0
    }

    /// Sends a datagram. What the network does with it is the network's business; a full buffer drops it.
    package func send(_ bytes: [UInt8], to destination: Endpoint, from socket: Int) {
        guard let descriptor = descriptor(socket) else { return }
        SocketAddress(destination).withPointer { address, length in
            _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, length)
        }
    }

    /// What has arrived, at most so many datagrams; never waits.
    package func receive(maximum: Int = 64) -> [Datagram] {
        guard poll(&entries, nfds_t(entries.count), 0) > 0 else { return [] }
        var found: [Datagram] = []
        var buffer = [UInt8](repeating: 0, count: Self.maximumDatagram)
        for socket in entries.indices where entries[socket].revents != 0 {
            while found.count < maximum, let datagram = read(socket, &buffer) { found.append(datagram) }
        }
        return found
    }

    private func descriptor(_ socket: Int) -> Int32? {
        entries.indices.contains(socket) && entries[socket].fd >= 0 ? entries[socket].fd : nil
    }

    private func read(_ socket: Int, _ buffer: inout [UInt8]) -> Datagram? {
        guard let descriptor = descriptor(socket) else { return nil }
        var length = -1
        let from = SocketAddress { address, size in
            length = recvfrom(descriptor, &buffer, buffer.count, 0, address, size)
        }
        guard length >= 0, let endpoint = from.endpoint else { return nil }
        return Datagram(socket: socket, from: endpoint, bytes: Array(buffer[..<length]))
    }

    /// Closes the receiving side of a socket that ``take(_:remote:)`` gave and nobody reads.
    package static func close(_ receiver: SteeredSocket) { Glibc.close(receiver.descriptor) }

    /// Gives a socket away: its sending side towards `remote`, and its receiving side, whose descriptor the caller owns. Nil, and nothing
    /// changes, when there is no such socket or no descriptor left.
    package func take(_ socket: Int, remote: Endpoint) -> (sender: PairSocket, receiver: SteeredSocket)? {
        guard let descriptor = descriptor(socket) else { return nil }
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0, let sender = PairSocket(owning: copy, remote: SocketAddress(remote)) else { return nil }
        entries[socket].fd = -1
        return (sender, sender.dedicate(descriptor))
    }
}
