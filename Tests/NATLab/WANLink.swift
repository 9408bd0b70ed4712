/// Nanoseconds on a clock of the caller's.
package typealias WANTime = Int64

/// One direction of a long link, as a value: packets go in with the time of their arrival, and come out when they have
/// reached the other end. It knows no clock and no bytes; a packet is a number of the caller's.
///
/// Times handed in never go back. What happened in between is computed exactly, however late the caller asks.
package struct WANLink: Sendable {
    /// What becomes of a packet that is handed in.
    package enum Fate: Sendable, Equatable {
        /// ``next(at:)`` will give it out.
        case accepted
        /// Nothing more is heard of it: no room in the queue.
        case dropped
        /// Nothing more is heard of it: it takes its place at the bottleneck, and is lost behind it.
        case lost
    }

    /// A packet at the other end.
    package struct Arrival: Sendable, Equatable {
        package let packet: Int
        package let bytes: Int
        package let time: WANTime
        /// False if the same packet arrives again.
        package let isLast: Bool
    }

    /// Stands for a packet that will be lost.
    private static let nothing = -1

    private struct Waiting {
        let packet: Int
        let bytes: Int
    }

    package var settings: WANSettings {
        didSet { constants = Constants(settings) }
    }
    private var constants: Constants
    private var counts = WANStatistics()

    /// Behind the one being sent. A ring would save the occasional move, which costs nothing against a system call.
    private var queue: [Waiting] = []
    private var queueHead = 0
    private var queuedBytes = 0
    /// The packet being sent, and when its last bit is.
    private var sending: (packet: Waiting, until: WANTime)?
    private var underWay = ArrivalHeap()
    private var lastArrival = WANTime.min

    private var inBadState = false
    private var lossRandom: SeededRandom
    private var burstRandom: SeededRandom
    private var jitterRandom: SeededRandom
    private var orderRandom: SeededRandom
    private var copyRandom: SeededRandom

    package init(_ settings: WANSettings, seed: UInt64) {
        self.settings = settings
        constants = Constants(settings)
        lossRandom = SeededRandom(seed: seed, stream: 1)
        burstRandom = SeededRandom(seed: seed, stream: 2)
        jitterRandom = SeededRandom(seed: seed, stream: 3)
        orderRandom = SeededRandom(seed: seed, stream: 4)
        copyRandom = SeededRandom(seed: seed, stream: 5)
    }

    package var statistics: WANStatistics {
        var result = counts
        result.queued = queuedBytes
        result.underWay = underWay.count
        return result
    }

    // MARK: In and out

    /// Takes a packet that arrives at the link.
    package mutating func accept(_ packet: Int, bytes: Int, at now: WANTime) -> Fate {
        send(until: now)
        counts.packets += 1
        counts.bytes += bytes
        guard sending == nil || queuedBytes + bytes <= settings.queue else {
            counts.dropped += 1
            return .dropped
        }
        let isLost = isLost()
        let waiting = Waiting(packet: isLost ? Self.nothing : packet, bytes: bytes)
        if sending == nil {
            sending = (waiting, now + constants.sendingTime(bytes))
            // Without a rate it is through at once.
            send(until: now)
        } else {
            queue.append(waiting)
            queuedBytes += bytes
            counts.longestQueue = max(counts.longestQueue, queuedBytes)
        }
        guard isLost else { return .accepted }
        counts.lost += 1
        return .lost
    }

    /// Gives out the next packet that has reached the other end by now.
    package mutating func next(at now: WANTime) -> Arrival? {
        send(until: now)
        guard let first = underWay.first, first.time <= now else { return nil }
        underWay.removeFirst()
        counts.delivered += 1
        counts.deliveredBytes += first.bytes
        return Arrival(packet: first.packet, bytes: first.bytes, time: first.time, isLast: first.isLast)
    }

    /// When to look at ``next(at:)`` again, if nothing is handed in before: not later than the next arrival.
    package var nextTime: WANTime? {
        let earliestOfSending = sending.map { $0.until + constants.delay }
        guard let first = underWay.first else { return earliestOfSending }
        return min(first.time, earliestOfSending ?? first.time)
    }

    /// Counts a packet that whoever carries the bytes could not carry.
    mutating func mishandled() { counts.mishandled += 1 }

    // MARK: The bottleneck, and the way behind it

    /// Lets the bottleneck work up to this time.
    private mutating func send(until now: WANTime) {
        while let current = sending, current.until <= now {
            travel(current.packet, from: current.until)
            guard queueHead < queue.count else {
                sending = nil
                return
            }
            let next = queue[queueHead]
            queueHead += 1
            queuedBytes -= next.bytes
            if queueHead == queue.count || queueHead == 1_024 {
                queue.removeSubrange(..<queueHead)
                queueHead = 0
            }
            sending = (next, current.until + constants.sendingTime(next.bytes))
        }
    }

    private mutating func travel(_ packet: Waiting, from time: WANTime) {
        guard packet.packet != Self.nothing else { return }
        var arrival = time + constants.delay
        if constants.jitter > 0 {
            arrival += WANTime(jitterRandom.fraction() * Double(constants.jitter))
        }
        if settings.reordering > 0, orderRandom.happens(settings.reordering) {
            counts.heldBack += 1
            arrival += constants.reorderingDelay
        } else {
            arrival = max(arrival, lastArrival)
            lastArrival = arrival
        }
        let isDoubled = settings.duplication > 0 && copyRandom.happens(settings.duplication)
        underWay.insert(packet.packet, bytes: packet.bytes, time: arrival, isLast: !isDoubled)
        if isDoubled {
            counts.duplicated += 1
            underWay.insert(packet.packet, bytes: packet.bytes, time: arrival, isLast: true)
        }
    }

    private mutating func isLost() -> Bool {
        let alone = settings.loss > 0 && lossRandom.happens(settings.loss)
        guard let burst = settings.burstLoss else { return alone }
        inBadState = inBadState ? !burstRandom.happens(burst.toGood) : burstRandom.happens(burst.toBad)
        let inBurst = burstRandom.happens(inBadState ? burst.lossInBad : burst.lossInGood)
        return alone || inBurst
    }
}

/// Settings in nanoseconds.
private struct Constants: Sendable {
    let delay: WANTime
    let jitter: WANTime
    let reorderingDelay: WANTime
    private let rate: Int?

    init(_ settings: WANSettings) {
        func nanoseconds(_ duration: Duration) -> WANTime { max(0, WANTime(duration / .nanoseconds(1))) }
        delay = nanoseconds(settings.delay)
        jitter = nanoseconds(settings.jitter)
        reorderingDelay = nanoseconds(settings.reorderingDelay)
        rate = settings.rate.map { max(1, $0) }
    }

    func sendingTime(_ bytes: Int) -> WANTime {
        guard let rate else { return 0 }
        return WANTime(bytes * 8_000_000_000 / rate)
    }
}
