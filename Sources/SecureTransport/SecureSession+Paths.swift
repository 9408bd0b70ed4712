import Noise
package import Paths

/// Bounds of one call of `transmit`'s argument.
enum BurstLimits {
    /// Bytes: within a UDP datagram (65,507) and a RELAY frame.
    static let bytes = 65_000
    /// Segments: what every kernel with UDP_SEGMENT takes.
    static let segments = 64
}

extension SecureSession {
    /// Adds a path. Before the handshake is finished the relay carries everything, or else the first path added.
    /// `isLocal`: both ends are on one network (host candidates with private addresses).
    package func addPath(_ id: PathID, kind: PathKind, isLocal: Bool = false, now: MonotonicTime) {
        guard end(of: id) == nil, paths.addPath(id, kind: kind, isLocal: isLocal, now: now) else { return }
        ends.append(PathEnd(id: id))
        pollPaths(now: now)
    }

    /// Removes a path; nothing more is sent on it.
    package func removePath(_ id: PathID, now: MonotonicTime) {
        guard let end = end(of: id) else { return }
        ends.remove(at: end)
        pendingProbes.removeAll { $0.path == id }
        paths.removePath(id, now: now)
        pollPaths(now: now)
    }

    /// Whether the relay works: the signaling connection is up, and the peer's as far as known.
    package func setRelayAvailable(_ isAvailable: Bool, now: MonotonicTime) {
        paths.setRelayAvailable(isAvailable, now: now)
        if isAvailable { connection.probeNow(now: now.nanoseconds) }
        pollPaths(now: now)
    }

    /// How attentive the user is: how often a quiet path is probed.
    package func setActivity(_ activity: PathActivity, now: MonotonicTime) {
        paths.setActivity(activity, now: now)
        pollPaths(now: now)
    }

    /// The network of this machine has changed.
    package func networkChanged(now: MonotonicTime) {
        paths.networkChanged(now: now)
        pollPaths(now: now)
    }

    /// Where packets go now.
    package var route: Route { paths.route }

    /// What is known of a path.
    package func status(of path: PathID) -> PathStatus? {
        paths.status(of: path)
    }

    /// Gives the probes their keys when the handshake is finished: a replayed call gets no probes.
    func installProbeKeys(now: MonotonicTime) {
        guard !hasProbeKeys, connection.phase == .established, let tag = connection.remoteTag,
            let secrets = connection.probeSecrets.take()
        else { return }
        hasProbeKeys = true
        let isInitiator = connection.role == .initiator
        secrets.client.withUnsafeBytes { client in
            secrets.server.withUnsafeBytes { server in
                let keys = try? ProbeKeys(
                    send: isInitiator ? client : server, receive: isInitiator ? server : client)
                if let keys { paths.install(keys: keys, remoteTag: tag, now: now) }
            }
        }
        pollPaths(now: now)
    }

    /// Takes the path manager's actions: probes wait for the next `transmit`, events for `pollEvent`.
    func pollPaths(now: MonotonicTime) {
        guard connection.phase < .closing else { return }
        for action in paths.poll(now: now) {
            switch action {
            case .send(let packet, let path):
                pendingProbes.append((packet, path))
            case .event(let event):
                pathEvents.append(SessionEvent(event))
                switch event {
                case .chosen(let path, _, _):
                    if let carrier, carrier != path { connection.pathChanged(now: now.nanoseconds) }
                    carrier = path
                    connection.probeNow(now: now.nanoseconds)
                case .restored: connection.probeNow(now: now.nanoseconds)
                case .suspected, .lost, .mtu: break
                }
            }
        }
    }

    func pollPathsIfDue(now: MonotonicTime) {
        guard let due = paths.nextTimeout, due <= now else { return }
        pollPaths(now: now)
    }

    // MARK: Sending

    /// Gives out everything that may be sent now. Each call of `send` gets one or more packets of one size (the last
    /// may be shorter), that size, and the path; at most 65,000 bytes and 64 packets. The memory is valid during the
    /// call only.
    package func transmit(now: MonotonicTime, _ send: (UnsafeRawBufferPointer, Int, PathID) -> Void) {
        guard !isTransmitting else { return }
        isTransmitting = true
        defer { isTransmitting = false }
        sendProbes(send)
        // A call that has no path yet waits, and loses no time by it.
        guard paths.route.primary != nil || connection.phase != .handshaking else { return }
        let quantum = connection.sendQuantum
        var written = 0
        repeat {
            let route = paths.route
            let length = fillBurst(limit: route.maximumPacketSize, quantum: quantum - written, now: now)
            guard length.bytes > 0 else { break }
            written += length.bytes
            emit(length, on: route, now: now, send)
        } while written < quantum
        connection.finishBurst(now: now.nanoseconds)
        pollPathsIfDue(now: now)
        sendProbes(send)
    }

    /// Packets written one after the other into `burst`: so many bytes, and the size of each but the last.
    struct Burst {
        var bytes = 0
        var segment = 0
        var count = 0
    }

    private func sendProbes(_ send: (UnsafeRawBufferPointer, Int, PathID) -> Void) {
        let probes = connection.phase < .closing ? pendingProbes : []
        pendingProbes = []
        for probe in probes {
            probe.packet.withUnsafeBytes { send($0, $0.count, probe.path) }
        }
    }

    /// Writes packets until one is smaller than the first, or a limit is reached.
    private func fillBurst(limit: Int, quantum: Int, now: MonotonicTime) -> Burst {
        var filled = Burst()
        let limit = min(limit, connection.configuration.maximumPacketSize)
        while filled.count < BurstLimits.segments, burst.count - filled.bytes >= limit {
            if filled.count > 0, filled.bytes + limit > quantum { break }
            // No later packet may be larger than the first.
            let room = filled.count == 0 ? limit : filled.segment
            let target = UnsafeMutableRawBufferPointer(rebasing: burst[filled.bytes..<filled.bytes + room])
            let length = connection.writePacket(into: target, now: now.nanoseconds)
            guard length > 0 else { break }
            filled.bytes += length
            filled.count += 1
            if filled.count == 1 { filled.segment = length }
            if length != filled.segment || length < PacketHeader.minimumInitialDatagram { break }
        }
        return filled
    }

    /// Sends a burst on the route's path, and on the second one while there is doubt. A close packet goes out on every
    /// path: there is no later packet that would show whether it arrived.
    private func emit(
        _ filled: Burst, on route: Route, now: MonotonicTime, _ send: (UnsafeRawBufferPointer, Int, PathID) -> Void
    ) {
        let packets = UnsafeRawBufferPointer(rebasing: burst[..<filled.bytes])
        func give(_ path: PathID) {
            sentPackets += UInt64(filled.count)
            sentBytes += UInt64(filled.bytes)
            paths.packetSent(on: path, count: filled.count, now: now)
            send(packets, filled.segment, path)
        }
        if connection.phase < .closing {
            if let primary = route.primary { give(primary) }
            if let duplicate = route.duplicate { give(duplicate) }
        } else {
            for end in ends { give(end.id) }
        }
    }
}

extension SessionEvent {
    init(_ event: PathEvent) {
        switch event {
        case .chosen(let path, let kind, let roundTrip): self = .pathChosen(path, kind, roundTrip: roundTrip)
        case .suspected(let path): self = .pathSuspected(path)
        case .lost(let path): self = .pathLost(path)
        case .restored(let path): self = .pathRestored(path)
        case .mtu(let path, let size): self = .mtuChanged(path, size)
        }
    }
}
