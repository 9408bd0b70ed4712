import NATLab

/// What was seen of a transfer.
struct Transfer: Sendable {
    /// The path at a moment.
    struct Sample: Sendable {
        let at: Int64
        let link: WANStatistics
    }

    let start: Int64
    let end: Int64
    /// What the receiver had, with times.
    let received: [NodeEvent]
    let samples: [Sample]
    /// Of both peers.
    let processorSeconds: Double

    /// Bits a second that the receiver's application got between two moments, in nanoseconds after the start.
    func goodput(from: Int64, to: Int64) -> Double {
        let (from, to) = (start + from, min(start + to, end))
        guard to > from else { return 0 }
        func bytes(at time: Int64) -> Int { received.last { $0.at <= time }?.bytes ?? 0 }
        return Double(bytes(at: to) - bytes(at: from)) * 8e9 / Double(to - from)
    }

    /// The same of IP packets behind the bottleneck.
    func carried(from: Int64, to: Int64) -> Double {
        let window = samples.filter { $0.at >= start + from && $0.at <= start + to }
        guard let first = window.first, let last = window.last, last.at > first.at else { return 0 }
        return Double(last.link.deliveredBytes - first.link.deliveredBytes) * 8e9 / Double(last.at - first.at)
    }

    /// Bytes that wait for the bottleneck, on average.
    var meanQueue: Int { samples.isEmpty ? 0 : samples.map(\.link.queued).reduce(0, +) / samples.count }

    var bytes: Int { (received.last?.bytes ?? 0) - (received.first?.bytes ?? 0) }

    /// Nanoseconds from a moment until a fifth of a second went by at this rate.
    func reaches(_ rate: Double, from: Int64) -> Int64? {
        let step: Int64 = 20_000_000
        var time = from
        while start + time + 200_000_000 <= end {
            if goodput(from: time, to: time + 200_000_000) >= rate { return time + 200_000_000 - from }
            time += step
        }
        return nil
    }
}
