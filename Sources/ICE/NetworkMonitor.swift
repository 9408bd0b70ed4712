import CNice
import CSotto
import Glibc
package import Wire

/// Tells when the addresses of this machine have changed: another network, a cable, a VPN, an interface that went away.
///
/// A thread of its own waits for netlink's word and then for a moment of quiet, because one change comes as many messages; it compares
/// addresses, because most messages (refreshed lifetimes, statistics) change none.
package final class NetworkMonitor: Sendable {
    /// Milliseconds without a message after which a change counts as over.
    private static let quiet: Int32 = 50
    /// How many such moments are waited for at most, so that endless messages cannot hide a change.
    private static let patience = 20

    private let stopWriter: Int32
    private let watch: NetworkWatch

    /// Starts to watch; `nil` where netlink is not to be had.
    ///
    /// - Parameter changed: called on the monitor's thread after each change, until ``stop()``, which it must not call itself.
    package init?(changed: @escaping @Sendable () -> Void) {
        let netlink = sotto_netlink_open()
        guard netlink >= 0 else { return nil }
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            close(netlink)
            return nil
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let watch = NetworkWatch(netlink: netlink, stop: ends[0], changed: changed)
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(watch)
        guard pthread_create(&thread, nil, watchNetwork, argument.toOpaque()) == 0 else {
            argument.release()
            close(ends[1])
            return nil
        }
        pthread_detach(thread)
        stopWriter = ends[1]
        self.watch = watch
    }

    /// Returns when no call is under way, and none will come any more. Idempotent.
    package func stop() { watch.silence() }

    /// The thread sees the closed pipe and ends.
    deinit { close(stopWriter) }

    /// The addresses other machines can send to: of interfaces that are up and have a carrier, without loopback and link-local ones.
    package static func addresses() -> Set<IPAddress> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: Set<IPAddress> = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard isInUse(flags: entry.ifa_flags), let address = entry.ifa_addr else { continue }
            guard let read = ipAddress(address), !read.isLoopback, !read.isLinkLocal else { continue }
            found.insert(read)
        }
        return found
    }

    /// Whether an interface is up and running: one whose cable was pulled stays up and keeps its addresses for a while.
    static func isInUse(flags: UInt32) -> Bool {
        let needed = UInt32(IFF_UP) | UInt32(IFF_RUNNING)
        return flags & needed == needed
    }

    private static func ipAddress(_ address: UnsafeMutablePointer<sockaddr>) -> IPAddress? {
        // Safety: the family says which structure it is; getifaddrs gives whole ones.
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            let bytes = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self).sin_addr
            return withUnsafeBytes(of: bytes) { try? IPAddress(bytes: Array($0)) }
        case AF_INET6:
            let bytes = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self).sin6_addr
            return withUnsafeBytes(of: bytes) { try? IPAddress(bytes: Array($0)) }
        default:
            return nil
        }
    }

    /// What the thread owns.
    fileprivate final class NetworkWatch: Sendable {
        private let netlink: Int32
        private let stop: Int32
        /// Nil once nobody wants to know any more.
        private let changed: Locked<(@Sendable () -> Void)?>

        init(netlink: Int32, stop: Int32, changed: @escaping @Sendable () -> Void) {
            self.netlink = netlink
            self.stop = stop
            self.changed = Locked(changed)
        }

        func silence() { changed.withLock { $0 = nil } }

        deinit {
            close(netlink)
            close(stop)
        }

        func run() {
            var known = NetworkMonitor.addresses()
            while wait(milliseconds: -1) {
                var patience = NetworkMonitor.patience
                repeat {
                    drain()
                    patience -= 1
                } while patience > 0 && wait(milliseconds: NetworkMonitor.quiet)
                if isStopped { return }
                let now = NetworkMonitor.addresses()
                guard now != known else { continue }
                known = now
                changed.withLock { $0?() }
            }
        }

        /// Whether netlink has something to say within the time; false also when the monitor was stopped.
        private func wait(milliseconds: Int32) -> Bool {
            var ready = [
                pollfd(fd: netlink, events: Int16(POLLIN), revents: 0), pollfd(fd: stop, events: 0, revents: 0),
            ]
            var result: Int32
            repeat { result = poll(&ready, 2, milliseconds) } while result < 0 && errno == EINTR
            return result > 0 && ready[1].revents == 0 && ready[0].revents != 0
        }

        private var isStopped: Bool {
            var ready = pollfd(fd: stop, events: 0, revents: 0)
            return poll(&ready, 1, 0) > 0
        }

        private func drain() {
            var buffer = [UInt8](repeating: 0, count: 16 << 10)
            // An overrun is only one more reason to look.
            while recv(netlink, &buffer, buffer.count, 0) > 0 || errno == ENOBUFS || errno == EINTR {}
        }
    }
}

private func watchNetwork(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    sotto_thread_set_name("sotto-network")
    Unmanaged<NetworkMonitor.NetworkWatch>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
