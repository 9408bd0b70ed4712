/// Loss that comes in bursts, as on radio links: a chain of two states, one of which loses more (Gilbert 1960, Elliott
/// 1963). Its state may change before each packet.
package struct BurstLoss: Sendable, Equatable {
    /// Probability that a good state turns bad.
    package var toBad: Double
    /// Probability that a bad state turns good: bad ones last for 1 / `toGood` packets on average.
    package var toGood: Double
    /// Probability to lose a packet in each of the states.
    package var lossInGood: Double
    package var lossInBad: Double

    package init(toBad: Double, toGood: Double, lossInGood: Double = 0, lossInBad: Double = 1) {
        self.toBad = toBad
        self.toGood = toGood
        self.lossInGood = lossInGood
        self.lossInBad = lossInBad
    }

    /// Loses this share of all packets in bursts of this length on average.
    package static func bursts(of length: Double, share: Double) -> BurstLoss {
        let toGood = 1 / max(length, 1)
        return BurstLoss(toBad: min(1, toGood * share / max(1 - share, 0.000_001)), toGood: toGood)
    }

    /// The share of packets that it loses in the long run.
    package var share: Double {
        guard toBad > 0 else { return lossInGood }
        let bad = toBad / (toBad + toGood)
        return bad * lossInBad + (1 - bad) * lossInGood
    }
}

/// What one direction of a long link does to packets. All of it can be changed while packets are under way.
///
/// A packet waits for the bottleneck, is sent at its rate, is lost or not, and arrives after the delay.
package struct WANSettings: Sendable, Equatable {
    /// From the last bit sent to the arrival, one way.
    package var delay: Duration
    /// Up to so much is added to the delay of each packet, evenly distributed. The order is kept.
    package var jitter: Duration = .zero
    /// Bits a second of IP packets; nil is as fast as it goes.
    package var rate: Int?
    /// Bytes of packets that may wait while another is being sent. What does not fit is dropped at its arrival (drop-tail).
    package var queue: Int
    /// Share of packets (0…1) lost after the bottleneck, each independent of the others.
    package var loss: Double = 0
    /// Lost as well.
    package var burstLoss: BurstLoss?
    /// Share of packets that arrive later by ``reorderingDelay``, passed by those behind them.
    package var reordering: Double = 0
    package var reorderingDelay: Duration = .milliseconds(5)
    /// Share of packets that arrive twice.
    package var duplication: Double = 0

    /// - Parameter queue: bytes; without a number so many as the rate sends in 50 ms, at least 64 KiB.
    package init(delay: Duration, rate: Int? = nil, queue: Int? = nil) {
        self.delay = delay
        self.rate = rate
        self.queue = queue ?? max(65_536, (rate ?? 0) / 8 / 20)
    }
}
