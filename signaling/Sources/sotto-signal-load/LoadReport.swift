import Foundation
import Histogram

/// What came out.
struct LoadReport: Codable {
    struct Latency: Codable {
        let p50: Double
        let p90: Double
        let p99: Double
        let p999: Double
        let maximum: Double
    }

    struct Server: Codable {
        let cpuSeconds: Double
        let residentBytesBefore: Int
        let residentBytesWithConnections: Int
        let residentBytesAfter: Int
        let bytesPerConnection: Double
        /// Nil when the server was idle for so short that the system's clock has not seen it.
        let framesPerCPUSecond: Double?
        let gigabitsPerCPUSecond: Double?
    }

    let mode: String
    let url: String
    let connections: Int
    let inFlight: Int
    let frameBytes: Int
    let loginSeconds: Double
    let seconds: Double
    let frames: Int
    let framesPerSecond: Double
    let gigabitsPerSecond: Double
    let unreachable: Int
    let lostConnections: Int
    /// Milliseconds; nil when nothing was sent.
    let latencyMilliseconds: Latency?
    let server: Server?

    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(self) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    var table: String {
        func row(_ name: String, _ value: String) -> String {
            name.padding(toLength: 34, withPad: " ", startingAt: 0) + value + "\n"
        }
        var text = row("\(mode), connections", "\(connections) in \(Self.format(loginSeconds, 2)) s")
        if frames > 0 {
            text += row("frames under way, bytes each", "\(inFlight), \(frameBytes)")
            text += row("frames a second", Self.format(framesPerSecond, 0))
            text += row("Gbit a second", Self.format(gigabitsPerSecond, 3))
        }
        if let latency = latencyMilliseconds {
            let values = [latency.p50, latency.p90, latency.p99, latency.p999, latency.maximum]
            text += row("latency p50 p90 p99 p99.9 max, ms", values.map { Self.format($0, 2) }.joined(separator: " "))
        }
        text += row("unreachable, lost connections", "\(unreachable), \(lostConnections)")
        guard let server else { return text }
        text += row("server, CPU seconds", "\(Self.format(server.cpuSeconds, 2)) in \(Self.format(seconds, 2)) s")
        if let frames = server.framesPerCPUSecond, let bits = server.gigabitsPerCPUSecond, self.frames > 0 {
            text += row("server, frames a CPU second", Self.format(frames, 0))
            text += row("server, Gbit a CPU second", Self.format(bits, 3))
        }
        text += row("server, KiB a connection", Self.format(server.bytesPerConnection / 1024, 2))
        let sizes = [server.residentBytesBefore, server.residentBytesWithConnections, server.residentBytesAfter]
        text += row("server, MiB before, with, after", sizes.map { "\($0 >> 20)" }.joined(separator: " "))
        return text
    }

    private static func format(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}

extension LoadReport.Latency {
    init?(_ counts: Tally.Counts) {
        guard counts.latency.totalCount > 0 else { return nil }
        func milliseconds(_ percentile: Double) -> Double {
            Double(counts.latency.valueAtPercentile(percentile)) / 1_000_000
        }
        self.init(
            p50: milliseconds(50), p90: milliseconds(90), p99: milliseconds(99), p999: milliseconds(99.9),
            maximum: Double(counts.latency.max) / 1_000_000)
    }
}
