/// Refuses payloads that are stale or were seen before. Keep one for each sender: whoever floods a window then closes
/// it to nobody else.
///
/// A payload is accepted once, and only while its time is within ±5 minutes of the receiver's clock. Digests are kept
/// while their time would still be accepted. When the window is full, the digest with the oldest time is forgotten, and
/// from then on nothing of that time or before is accepted: memory stays bounded, and nothing can be accepted twice.
package struct ReplayWindow: Sendable {
    /// What to do with a payload.
    package enum Verdict: Hashable, Sendable {
        /// New and timely. Its digest is now remembered.
        case accepted
        /// Its time is more than 5 minutes off, or lies before what the window still remembers.
        case stale
        /// It was accepted before.
        case repeated
    }

    /// How far a payload's time may be from the receiver's clock, in milliseconds.
    package static let tolerance: UInt64 = 5 * 60 * 1000

    private struct Entry {
        let time: UInt64
        let digest: [UInt8]
    }

    private let capacity: Int
    /// Ascending by time.
    private var entries: [Entry] = []
    private var digests: Set<[UInt8]> = []
    /// Times up to here have been forgotten.
    private var forgotten: UInt64?

    /// Remembers at most `capacity` (at least 1) digests.
    package init(capacity: Int = 512) {
        self.capacity = max(1, capacity)
    }

    /// How many digests are remembered.
    package var count: Int { entries.count }

    /// Judges a payload by its digest (a cryptographic hash, 16 bytes or more, of the payload as opened) and by the
    /// time written in it; `now` is the receiver's clock. Times are milliseconds since 1970.
    package mutating func admit(digest: [UInt8], time: UInt64, now: UInt64) -> Verdict {
        expire(now: now)
        let distance = time > now ? time - now : now - time
        guard distance <= ReplayWindow.tolerance else { return .stale }
        if digests.contains(digest) { return .repeated }
        if let forgotten, time <= forgotten { return .stale }
        remember(Entry(time: time, digest: digest))
        return .accepted
    }

    private mutating func expire(now: UInt64) {
        let oldest = now > ReplayWindow.tolerance ? now - ReplayWindow.tolerance : 0
        let expired = entries.prefix { $0.time < oldest }
        guard let last = expired.last else { return }
        for entry in expired { digests.remove(entry.digest) }
        // A clock that is set back must not bring them to life again.
        forgotten = max(forgotten ?? 0, last.time)
        entries.removeFirst(expired.count)
    }

    private mutating func remember(_ entry: Entry) {
        if entries.count >= capacity, let oldest = entries.first {
            if entry.time <= oldest.time {
                // Cannot be kept: treat it as the one that is forgotten.
                forgotten = max(forgotten ?? 0, entry.time)
                return
            }
            forgotten = max(forgotten ?? 0, oldest.time)
            digests.remove(oldest.digest)
            entries.removeFirst()
        }
        var index = entries.count
        while index > 0, entries[index - 1].time > entry.time { index -= 1 }
        entries.insert(entry, at: index)
        digests.insert(entry.digest)
    }
}
