import CNATLab
import Foundation

/// Carries packets between the two tunnels of a long link, on a thread of its own.
///
/// It wakes at most once in each ``beat`` and then does everything that has become due, so that it costs little at high
/// rates; a packet arrives up to so much later than it should, and never sooner.
// Safety: what changes is behind the lock, but for `packets`, which only the thread touches.
final class WANForwarder: @unchecked Sendable {
    /// Nanoseconds.
    private static let beat: WANTime = 250_000
    /// Packets that may be on the link, both ways together: half a second at a gigabit a second.
    private static let capacity = 32_768
    /// Bytes of the largest packet, the tunnels' MTU.
    static let largestPacket = 1_500
    /// Packets taken from one tunnel before the other gets its turn.
    private static let burst = 256

    private struct State {
        /// From the first tunnel to the second, and back.
        var links: [WANLink]
        var isStopping = false
        var free: [Int]
    }

    private let state: Locked<State>
    private let tunnels: [Int32]
    private let waking: Pipe
    private let packets: UnsafeMutableRawPointer
    private let stopped = Watched(false)

    /// Takes over the descriptors of both tunnels.
    init(tunnels: [Int32], links: [WANLink]) throws(LabError) {
        waking = try Pipe()
        self.tunnels = tunnels
        state = Locked(State(links: links, free: Array((0..<Self.capacity).reversed())))
        packets = .allocate(byteCount: Self.capacity * Self.largestPacket, alignment: 16)
        let thread = Thread { [self] in run() }
        thread.name = "natlab-wan"
        thread.start()
    }

    deinit {
        packets.deallocate()
        close(waking.reading)
        close(waking.writing)
    }

    /// What has become of the packets of a direction: 0 is from the first tunnel to the second.
    func statistics(_ direction: Int) -> WANStatistics {
        state.withLock { $0.links[direction].statistics }
    }

    /// Changes a direction, from the next packet to leave the queue on.
    func change(_ direction: Int, _ body: (inout WANSettings) -> Void) {
        let isRunning = state.withLock { state in
            body(&state.links[direction].settings)
            return !state.isStopping
        }
        if isRunning { wake() }
    }

    /// Ends the thread and removes the tunnels, with everything under way. May be called again.
    func stop() {
        let isFirst = state.withLock { state in
            defer { state.isStopping = true }
            return !state.isStopping
        }
        if isFirst { wake() }
    }

    private func wake() { _ = write(waking.writing, [1], 1) }

    /// Stops, and waits until the tunnels are gone.
    func stopped(within limit: Duration) async throws {
        stop()
        try await stopped.first("end of the WAN", within: limit) { $0 ? () : nil }
    }

    // MARK: The thread

    private func run() {
        natlab_precise_timers()
        let descriptors = tunnels + [waking.reading]
        var lastTurn = natlab_now()
        var wait: WANTime? = -1
        while let longest = wait {
            natlab_sleep_until(lastTurn + Self.beat)
            if longest != 0 { _ = natlab_wait(descriptors, descriptors.count, longest) }
            _ = readAvailable(waking.reading)
            lastTurn = natlab_now()
            wait = state.withLock { turn(&$0) }
        }
        for tunnel in tunnels { close(tunnel) }
        stopped.update { $0 = true }
    }

    /// Takes what has come and gives out what is due. Returns how long nothing will happen, at most; negative is for ever,
    /// nil is the end.
    private func turn(_ state: inout State) -> WANTime? {
        guard !state.isStopping else { return nil }
        var isExhausted = true
        for direction in 0...1 where !take(direction, &state) { isExhausted = false }
        for direction in 0...1 { giveOut(direction, &state) }
        guard isExhausted else { return 0 }
        guard let next = state.links.compactMap(\.nextTime).min() else { return -1 }
        return max(0, next - natlab_now())
    }

    /// Takes packets from a tunnel; false if there may be more.
    private func take(_ direction: Int, _ state: inout State) -> Bool {
        for _ in 0..<Self.burst {
            guard let number = state.free.last else {
                // Still taken, so that the kernel's queue holds none back, and counted.
                var packet = [UInt8](repeating: 0, count: Self.largestPacket)
                guard read(tunnels[direction], &packet, packet.count) > 0 else { return true }
                state.links[direction].mishandled()
                continue
            }
            let count = read(tunnels[direction], place(number), Self.largestPacket)
            guard count > 0 else { return true }
            guard !isOfTheDevice(place(number), count) else { continue }
            if state.links[direction].accept(number, bytes: count, at: natlab_now()) == .accepted {
                state.free.removeLast()
            }
        }
        return false
    }

    private func giveOut(_ direction: Int, _ state: inout State) {
        let now = natlab_now()
        while let arrival = state.links[direction].next(at: now) {
            if write(tunnels[1 - direction], place(arrival.packet), arrival.bytes) != arrival.bytes {
                state.links[direction].mishandled()
            }
            if arrival.isLast { state.free.append(arrival.packet) }
        }
    }

    /// What the kernel says to its neighbours on the device itself, as it does on each with IPv6: multicast, which nobody routes.
    private func isOfTheDevice(_ packet: UnsafeMutableRawPointer, _ count: Int) -> Bool {
        let bytes = UnsafeRawBufferPointer(start: packet, count: count)
        return count >= 40 && bytes[0] >> 4 == 6 && bytes[24] == 0xFF
    }

    private func place(_ number: Int) -> UnsafeMutableRawPointer { packets + number * Self.largestPacket }
}
