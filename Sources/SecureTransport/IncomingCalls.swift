package import Noise
package import Paths

/// Calls of which a part has come: bounded in number, in number by source, and in time. Who floods it pushes out its own calls first, then the
/// oldest of all. What is pushed out is not lost: the caller sends both datagrams again.
package struct IncomingCalls<Source: Hashable> {
    private struct Entry {
        let source: Source
        let call: IncomingCall
        let since: MonotonicTime
    }

    private let capacity: Int
    private let perSource: Int
    private let lifetime: TimeSpan
    /// Oldest first.
    private var entries: [Entry] = []

    /// - Parameters:
    ///   - capacity: most calls; each can hold some 64 KiB of what its caller sent.
    ///   - perSource: most calls of one source.
    ///   - lifetime: how long one may wait for its rest: as long as a handshake may take.
    package init(capacity: Int = 64, perSource: Int = 2, lifetime: TimeSpan = .seconds(10)) {
        self.capacity = max(1, capacity)
        self.perSource = max(1, perSource)
        self.lifetime = lifetime
    }

    /// How many calls wait for their rest.
    package var count: Int { entries.count }

    /// When `expire` has something to do.
    package var nextTimeout: MonotonicTime? { entries.first.map { $0.since + lifetime } }

    /// Forgets calls whose time is over.
    package mutating func expire(now: MonotonicTime) {
        entries.removeAll { now >= $0.since + lifetime }
    }

    /// Takes an Initial that belongs to no session. Returns the call when it is complete and forgets it then; nil when its rest is to come.
    ///
    /// - Parameters:
    ///   - source: whom the carrier names as its sender. Nobody adds to the call of another.
    ///   - responder: our public key.
    ///   - admits: whether to look at a new call at all: asked once for each.
    /// - Throws: `notAdmitted`; `notForUs` and `handshakeFailed` as `IncomingCall`.
    package mutating func receive(
        _ packet: UnsafeRawBufferPointer, destination: [UInt8], from source: Source, to responder: PublicKey,
        configuration: SessionConfiguration = SessionConfiguration(), now: MonotonicTime, admits: () -> Bool
    ) throws(TransportError) -> IncomingCall? {
        expire(now: now)
        if let index = entries.firstIndex(where: {
            $0.source == source && $0.call.firstConnectionID == destination
        }) {
            let call = entries[index].call
            call.receive(packet, now: now)
            guard call.isComplete || !call.isAlive else { return nil }
            entries.remove(at: index)
            guard call.isAlive else { throw .handshakeFailed }
            return call
        }
        guard admits() else { throw .notAdmitted }
        let call = try IncomingCall(packet, to: responder, configuration: configuration, now: now)
        if call.isComplete { return call }
        makeRoom(for: source)
        entries.append(Entry(source: source, call: call, since: now))
        return nil
    }

    private mutating func makeRoom(for source: Source) {
        if entries.count(where: { $0.source == source }) >= perSource,
            let oldest = entries.firstIndex(where: { $0.source == source })
        {
            entries.remove(at: oldest)
        }
        if entries.count >= capacity { entries.removeFirst() }
    }
}
