import NIOConcurrencyHelpers
import NIOCore
import Wire

/// Who connects from where, as far as limits care: an IPv4 address, or the /64 that one IPv6 customer has.
struct AddressKey: Hashable, Sendable {
    private let bits: UInt64
    private let isIPv6: Bool

    init(_ address: IPAddress) {
        let address = address.v4Mapped ?? address
        bits = address.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        isIPv6 = address.isV6
    }
}

/// Counts connections, in all and by address.
///
/// Safety: all state is guarded by the lock.
final class AddressLimits: Sendable {
    enum Admission: Hashable, Sendable {
        case admitted
        /// Admitted only to be told why not.
        case tooMany
        /// Admitted only to be told to come more slowly.
        case tooFast
        /// Beyond all that: closed without a word, and not counted.
        case refused
    }

    private struct Entry {
        var count = 0
        var arrivals: TokenBucket
    }

    private struct State {
        var total = 0
        var entries: [AddressKey: Entry] = [:]
    }

    /// How many more than allowed are let in to be told why they cannot stay.
    private static let explained = 16
    /// Quiet addresses that are remembered for their arrival rate.
    private static let remembered = 16_384

    private let limits: ServerLimits
    private let state = NIOLockedValueBox(State())

    init(_ limits: ServerLimits) {
        self.limits = limits
    }

    /// Connections open now.
    var total: Int { state.withLockedValue { $0.total } }

    /// Addresses that are remembered.
    var known: Int { state.withLockedValue { $0.entries.count } }

    /// A connection has come. Every answer but `.refused` needs a ``release(_:now:)`` when it ends.
    func admit(_ key: AddressKey, now: NIODeadline) -> Admission {
        state.withLockedValue { state in
            if state.entries.count > Self.remembered { Self.forgetQuiet(&state, now: now) }
            var entry = state.entries[key] ?? Entry(arrivals: TokenBucket(limits.newConnections, now: now))
            let isFast = !entry.arrivals.take(1, now: now)
            defer { state.entries[key] = entry }
            let excess = max(entry.count - limits.connectionsPerAddress, state.total - limits.connections)
            guard excess < Self.explained else { return .refused }
            entry.count += 1
            state.total += 1
            return excess >= 0 ? .tooMany : isFast ? .tooFast : .admitted
        }
    }

    /// A connection that was admitted has ended.
    func release(_ key: AddressKey, now: NIODeadline) {
        state.withLockedValue { state in
            state.total -= 1
            guard var entry = state.entries[key] else { return }
            entry.count -= 1
            state.entries[key] = entry.count == 0 && entry.arrivals.isFull(now: now) ? nil : entry
        }
    }

    /// Forgets addresses without connections whose arrival rate has recovered. Called now and then.
    func sweep(now: NIODeadline) {
        state.withLockedValue { state in
            for (key, var entry) in state.entries where entry.count == 0 {
                if entry.arrivals.isFull(now: now) { state.entries[key] = nil }
            }
        }
    }

    private static func forgetQuiet(_ state: inout State, now: NIODeadline) {
        state.entries = state.entries.filter { $0.value.count > 0 }
    }
}
