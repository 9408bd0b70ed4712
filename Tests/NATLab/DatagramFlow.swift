import CNATLab
import Foundation

/// What a stream of numbered datagrams from one host to another met on its way.
package struct FlowReport: Sendable {
    /// Datagrams sent, and how many of them arrived.
    package var sent = 0
    package var received = 0
    /// Arrivals of what had arrived already.
    package var duplicates = 0
    /// Arrivals after a datagram that was sent later.
    package var reordered = 0
    /// One way, in ascending order.
    package var delays: [Duration] = []
    /// Bits of IP packets that arrived in a second, counted from when the first should have come, so that a receiver that did
    /// not get its turn can only make it less.
    package var rate: Double = 0
    /// Which arrived, by number.
    package var arrived: [Bool] = []

    package var loss: Double { sent == 0 ? 0 : 1 - Double(received) / Double(sent) }

    /// A delay that this share (0…1) of the datagrams did not exceed; zero when none arrived.
    package func delay(_ share: Double) -> Duration {
        delays.isEmpty ? .zero : delays[min(delays.count - 1, Int(Double(delays.count) * share))]
    }
}

extension LabHost {
    /// Sends numbered datagrams to another host and reports what arrived, on two threads that live no longer.
    ///
    /// - Parameters:
    ///   - size: bytes of each IP packet, from 64.
    ///   - rate: bits of IP packets a second.
    ///   - count: how many.
    package func flow(
        to other: LabHost, size: Int, rate: Int, count: Int, ipv6: Bool = false
    ) async throws -> FlowReport {
        let domain = ipv6 ? AF_INET6 : AF_INET
        let target = ipv6 ? other.address6 : other.address4
        guard let target else { throw LabError.unknown("address of \(other.name)") }
        let receiving = try other.holder.socket(network: other.name, domain: domain, type: Int32(SOCK_DGRAM.rawValue))
        let sending = try holder.socket(network: name, domain: domain, type: Int32(SOCK_DGRAM.rawValue))
        for option in [SO_RCVBUF, SO_RCVBUFFORCE] {
            var bytes: Int32 = 8 << 20
            setsockopt(receiving, SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        let any = try SocketAddress(LabEndpoint(ipv6 ? "::" : "0.0.0.0", 0))
        guard any.withPointer({ bind(receiving, $0, $1) }) == 0,
            let bound = SocketAddress.read({ getsockname(receiving, $0, $1) })
        else { throw lastError("bind a socket on \(other.name)") }
        let destination = try SocketAddress(LabEndpoint(target, bound.endpoint.port))
        let flow = DatagramFlow(
            sending: sending, receiving: receiving, payload: max(16, size - (ipv6 ? 48 : 28)),
            packet: size, interval: WANTime(size * 8_000_000_000 / rate), count: count)
        guard destination.withPointer({ connect(sending, $0, $1) }) == 0 else {
            throw lastError("reach \(other.name)")
        }
        return await flow.run()
    }
}

/// Owns both sockets.
// Safety: immutable but for what is behind locks, and `report`, which only the receiving thread touches until it ends.
private final class DatagramFlow: @unchecked Sendable {
    /// Nanoseconds in which nothing comes after the last was sent: then nothing more will.
    private static let patience: WANTime = 1_500_000_000
    /// Datagrams sent in a row when the sender is late: more would find queues full that are not what is measured.
    private static let burst = 48
    /// The number of what is sent first, so that addresses of neighbours are known before anything counts.
    private static let greeting = -1

    private let sending: Int32
    private let receiving: Int32
    private let payload: Int
    private let packet: Int
    private let interval: WANTime
    private let count: Int
    private let lastSent = Locked<WANTime?>(nil)
    private let isGreeted = Locked(false)
    private var report = FlowReport()

    init(sending: Int32, receiving: Int32, payload: Int, packet: Int, interval: WANTime, count: Int) {
        self.sending = sending
        self.receiving = receiving
        self.payload = payload
        self.packet = packet
        self.interval = interval
        self.count = count
    }

    deinit {
        close(sending)
        close(receiving)
    }

    func run() async -> FlowReport {
        Thread { [self] in send() }.start()
        return await withCheckedContinuation { continuation in
            Thread { [self] in
                receive()
                continuation.resume(returning: report)
            }
            .start()
        }
    }

    private func send() {
        natlab_precise_timers()
        var bytes = [UInt8](repeating: 0, count: payload)
        send(Self.greeting, &bytes)
        let patience = natlab_now() + 500_000_000
        while natlab_now() < patience, !isGreeted.withLock({ $0 }) { natlab_sleep_until(natlab_now() + 1_000_000) }
        let start = natlab_now()
        var number = 0
        while number < count {
            let due = min(count, number + Self.burst, Int((natlab_now() - start) / interval) + 1)
            while number < due {
                send(number, &bytes)
                number += 1
            }
            // About two wake-ups in a millisecond.
            natlab_sleep_until(max(start + WANTime(number) * interval, natlab_now() + 500_000))
        }
        lastSent.withLock { $0 = natlab_now() }
    }

    private func send(_ number: Int, _ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { raw in
            raw.storeBytes(of: number, as: Int.self)
            raw.storeBytes(of: natlab_now(), toByteOffset: 8, as: WANTime.self)
            // A full buffer of the socket is waited for; what the network makes of it is its own business.
            while Glibc.send(sending, raw.baseAddress, raw.count, 0) < 0, errno == EAGAIN {
                natlab_sleep_until(natlab_now() + 100_000)
            }
        }
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 2_048)
        report.sent = count
        report.arrived = Array(repeating: false, count: count)
        var highest = -1
        var (first, last, shortest, arrivals) = (WANTime.max, WANTime.min, WANTime.max, 0)
        while report.received < count {
            _ = natlab_wait([receiving], 1, 100_000_000)
            let size = recv(receiving, &buffer, buffer.count, 0)
            let now = natlab_now()
            guard size >= 16 else {
                if let end = lastSent.withLock({ $0 }), now > max(end, last) + Self.patience { break }
                continue
            }
            let (number, time) = buffer.withUnsafeBytes { raw in
                (raw.load(as: Int.self), raw.load(fromByteOffset: 8, as: WANTime.self))
            }
            if number == Self.greeting { isGreeted.withLock { $0 = true } }
            guard report.arrived.indices.contains(number) else { continue }
            (first, last, shortest, arrivals) = (min(first, time), now, min(shortest, now - time), arrivals + 1)
            if report.arrived[number] {
                report.duplicates += 1
                continue
            }
            report.arrived[number] = true
            report.received += 1
            if number < highest { report.reordered += 1 }
            highest = max(highest, number)
            report.delays.append(.nanoseconds(now - time))
        }
        report.delays.sort()
        if arrivals > 1, last - first > shortest {
            report.rate = Double((arrivals - 1) * packet * 8) * 1e9 / Double(last - first - shortest)
        }
    }
}
