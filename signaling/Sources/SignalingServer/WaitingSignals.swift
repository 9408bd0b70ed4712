import NIOCore
import Wire

/// SIGNAL frames of one sender that wait for a place in their receivers' queues. The sender is read from meanwhile: or whoever does not read
/// what comes could, by having things sent to it, stop the sender's conversations with everybody else.
struct WaitingSignals {
    struct Item {
        let signal: Outbox.Signal
        let receiver: PeerKey
        let queue: Outbox
        /// When it has waited for long enough.
        let deadline: NIODeadline
    }

    /// Frames, of at most 16 KiB each.
    static let limit = 16

    /// Oldest first.
    private(set) var items: [Item] = []

    /// The full queue for which something to this receiver waits; nil if nothing does.
    func queue(of receiver: PeerKey) -> Outbox? { items.last { $0.receiver == receiver }?.queue }

    /// False if too much waits already.
    mutating func append(_ item: Item) -> Bool {
        guard items.count < Self.limit else { return false }
        items.append(item)
        return true
    }

    /// Everything, to be offered again.
    mutating func takeAll() -> [Item] {
        defer { items = [] }
        return items
    }

    /// What has waited for too long, and all that waits behind it.
    mutating func takeExpired(_ now: NIODeadline) -> [Item] {
        let full = items.filter { now >= $0.deadline }.map(\.queue)
        guard !full.isEmpty else { return [] }
        func isExpired(_ item: Item) -> Bool { full.contains { $0 === item.queue } }
        defer { items.removeAll(where: isExpired) }
        return items.filter(isExpired)
    }
}
