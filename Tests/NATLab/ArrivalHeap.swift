/// Packets under way, the next one to arrive first; of those that arrive together, the one that was put in first.
struct ArrivalHeap: Sendable {
    struct Entry: Sendable {
        let time: WANTime
        let sequence: Int
        let packet: Int
        let bytes: Int
        let isLast: Bool

        func isBefore(_ other: Entry) -> Bool {
            time < other.time || (time == other.time && sequence < other.sequence)
        }
    }

    private var entries: [Entry] = []
    private var lastSequence = 0

    var count: Int { entries.count }
    var first: Entry? { entries.first }

    mutating func insert(_ packet: Int, bytes: Int, time: WANTime, isLast: Bool) {
        lastSequence += 1
        let entry = Entry(time: time, sequence: lastSequence, packet: packet, bytes: bytes, isLast: isLast)
        var place = entries.count
        entries.append(entry)
        // Most packets arrive in the order in which they were sent, and stay where they are.
        while place > 0 {
            let parent = (place - 1) / 2
            guard entry.isBefore(entries[parent]) else { break }
            entries[place] = entries[parent]
            place = parent
        }
        entries[place] = entry
    }

    mutating func removeFirst() {
        guard let moved = entries.popLast(), !entries.isEmpty else { return }
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].isBefore(entries[child]) { child += 1 }
            guard entries[child].isBefore(moved) else { break }
            entries[place] = entries[child]
            place = child
        }
        entries[place] = moved
    }
}
