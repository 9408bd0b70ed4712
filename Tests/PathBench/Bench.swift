import Foundation
import NATLab

/// Runs the cases one after the other.
struct Bench: Sendable {
    let options: BenchOptions

    init(_ options: BenchOptions) {
        self.options = options
    }

    func run() async -> BenchReport {
        var report = BenchReport(options: options)
        guard Lab.wanUnavailableReason.isEmpty else {
            report.failures = [Lab.wanUnavailableReason]
            return report
        }
        for run in 0..<options.runs {
            for name in options.cases {
                do {
                    let figures = try await measure(name, seed: UInt64(run + 1))
                    report.figures[name, default: []].append(figures)
                    if options.isVerbose {
                        FileHandle.standardError.write(Data("\(name) \(run + 1): \(figures)\n".utf8))
                    }
                } catch {
                    report.failures.append("\(name), run \(run + 1): \(error)")
                }
            }
        }
        return report
    }

    private func measure(_ name: BenchCase, seed: UInt64) async throws -> [String: Double] {
        switch name {
        case .clean, .lossy: try await direct(loss: name.loss, seed: seed)
        case .upgrade: try await upgrade(seed: seed)
        }
    }

    private func direct(loss: Double, seed: UInt64) async throws -> [String: Double] {
        var settings = options.path
        settings.loss = loss
        let transfer = try await Meeting.with(options, path: settings, relay: options.path, seed: seed) { meeting in
            try await meeting.alice.first("path", "direct")
            try await meeting.bob.first("path", "direct")
            return try await meeting.transfer(seconds: options.seconds)
        }
        let rate = Double(options.rate)
        let last = Int64(options.seconds * 1e9)
        // The first three seconds are those of slow start, and counted in `whole`.
        let steady = transfer.goodput(from: 3_000_000_000, to: last)
        var figures = [
            "goodput_mbit": steady / 1e6,
            "goodput_share": steady / rate,
            "carried_share": transfer.carried(from: 3_000_000_000, to: last) / rate,
            "whole_share": transfer.goodput(from: 0, to: last) / rate,
            "mean_queue_kib": Double(transfer.meanQueue) / 1_024,
            "cpu_s_per_gib": transfer.processorSeconds / max(1, Double(transfer.bytes)) * Double(1 << 30),
        ]
        if let reached = transfer.reaches(rate * 0.8, from: 0) { figures["to_80_percent_ms"] = Double(reached) / 1e6 }
        if let first = transfer.samples.first?.link, let final = transfer.samples.last?.link {
            figures["dropped_packets"] = Double(final.dropped - first.dropped)
            figures["lost_packets"] = Double(final.lost - first.lost)
            figures["mishandled_packets"] = Double(final.mishandled)
        }
        return figures
    }

    /// Half the time on a relay with a tenth of the rate, then UDP is let through.
    private func upgrade(seed: UInt64) async throws -> [String: Double] {
        var narrow = options.path
        narrow.rate = options.rate / 10
        return try await Meeting.with(options, path: options.path, relay: narrow, seed: seed) { meeting in
            meeting.path.change { $0.loss = 1 }
            try await meeting.alice.first("opened")
            async let running = meeting.transfer(seconds: options.seconds)
            try await meeting.alice.first("sending")
            let before = options.seconds / 3
            for await tick in Ticks(every: .milliseconds(Int64(before * 1_000))) where tick == 1 { break }
            meeting.path.change { $0.loss = 0 }
            let opened = monotonicNow()
            for peer in [meeting.alice, meeting.bob] { try peer.order("network") }
            let switched = try await meeting.alice.first("path", "direct", after: opened).at
            let transfer = try await running
            let (rate, moment) = (Double(options.rate), switched - transfer.start)
            var figures = [
                "relay_mbit": transfer.goodput(from: 1_000_000_000, to: Int64(before * 1e9)) / 1e6,
                "direct_after_ms": Double(switched - opened) / 1e6,
                "first_second_share": transfer.goodput(from: moment, to: moment + 1_000_000_000) / rate,
                "second_second_share": transfer.goodput(
                    from: moment + 1_000_000_000, to: moment + 2_000_000_000) / rate,
                "last_second_share": transfer.goodput(
                    from: Int64(options.seconds * 1e9) - 1_000_000_000, to: Int64(options.seconds * 1e9)) / rate,
            ]
            if let reached = transfer.reaches(rate * 0.8, from: moment) {
                figures["to_80_percent_ms"] = Double(reached) / 1e6
            }
            return figures
        }
    }
}
