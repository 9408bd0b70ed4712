import NIOCore
import Wire

/// RELAY frames that wait for one client, in turns: each of those who send to it gets the same share of what the client takes, and who
/// has more than a share loses the oldest. So nobody, a stranger least of all, can push another's conversation out by sending more.
///
/// Deficit round robin (Shreedhar and Varghese, 1995): a turn is worth so many bytes, whatever the size of frames.
struct RelayQueue {
    private struct Lane {
        var frames = CircularBuffer<ByteBuffer>(initialCapacity: 4)
        var bytes = 0
        /// Bytes that may still leave in this turn.
        var credit = 0
    }

    private static let turn = 16 * 1024
    /// What a frame costs beside its bytes, so that small ones do not take much more memory than they count for.
    private static let overhead = 128

    private var lanes: [PeerKey: Lane] = [:]
    /// Senders with something that waits, each once, next first.
    private var turns = CircularBuffer<PeerKey>(initialCapacity: 2)
    private var bytes = 0

    var isEmpty: Bool { turns.isEmpty }

    /// Adds a frame; returns how many were dropped to keep within `limit` bytes. The newest stays in any case.
    mutating func append(_ frame: ByteBuffer, from sender: PeerKey, limit: Int) -> Int {
        let cost = Self.cost(frame)
        if lanes[sender] == nil { turns.append(sender) }
        lanes[sender, default: Lane()].frames.append(frame)
        lanes[sender]?.bytes += cost
        bytes += cost
        var dropped = 0
        while bytes > limit, turns.count > 1 || (lanes[sender]?.frames.count ?? 0) > 1 {
            guard let heaviest = heaviest(sender) else { break }
            _ = removeFirst(of: heaviest)
            dropped += 1
        }
        return dropped
    }

    /// Who loses a frame when `sender` has brought one: the sender itself from an equal share on, so that among very many nobody is searched for.
    private func heaviest(_ sender: PeerKey) -> PeerKey? {
        if let own = lanes[sender], own.bytes * lanes.count >= bytes, own.frames.count > 1 { return sender }
        return lanes.max { $0.value.bytes < $1.value.bytes }?.key
    }

    /// The frame whose turn it is.
    mutating func popFirst() -> ByteBuffer? {
        while let sender = turns.first {
            // Nothing of the lane is held on to, so that it is not copied when it changes.
            guard let cost = lanes[sender]?.frames.first.map(Self.cost), let credit = lanes[sender]?.credit else {
                turns.removeFirst()
                continue
            }
            guard credit >= cost else {
                lanes[sender]?.credit += Self.turn
                turns.append(turns.removeFirst())
                continue
            }
            lanes[sender]?.credit -= cost
            return removeFirst(of: sender)
        }
        return nil
    }

    private mutating func removeFirst(of sender: PeerKey) -> ByteBuffer? {
        guard let frame = lanes[sender]?.frames.popFirst() else { return nil }
        lanes[sender]?.bytes -= Self.cost(frame)
        bytes -= Self.cost(frame)
        if lanes[sender]?.frames.isEmpty == true {
            lanes[sender] = nil
            if let index = turns.firstIndex(of: sender) { turns.remove(at: index) }
        }
        return frame
    }

    private static func cost(_ frame: ByteBuffer) -> Int { frame.readableBytes + overhead }
}
