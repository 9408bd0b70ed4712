import Foundation

/// Figures of all runs, and their medians.
struct BenchReport: Sendable {
    let options: BenchOptions
    var figures: [BenchCase: [[String: Double]]] = [:]
    var failures: [String] = []

    init(options: BenchOptions) {
        self.options = options
    }

    /// Medians by name; what only some runs have is the median of those.
    func medians(_ name: BenchCase) -> [String: Double] {
        var values: [String: [Double]] = [:]
        for run in figures[name] ?? [] {
            for (key, value) in run { values[key, default: []].append(value) }
        }
        return values.mapValues { $0.sorted()[$0.count / 2] }
    }

    var table: String {
        let setting = "\(options.roundTrip) ms, \(options.rate / 1_000_000) Mbit/s, medians of \(options.runs) runs"
        var lines = ["Long paths: round trip \(setting)"]
        for name in options.cases {
            for (key, value) in medians(name).sorted(by: { $0.key < $1.key }) {
                let label = "long_path_\(name)_\(key)".padding(toLength: 40, withPad: " ", startingAt: 0)
                lines.append("\(label) \(rounded(value))")
            }
        }
        return (lines + failures.map { "NOT MEASURED: \($0)" }).joined(separator: "\n")
    }

    var json: String {
        var results: [String: [String: any Sendable]] = [:]
        for name in options.cases {
            results[name.rawValue] = [
                "medians": medians(name).mapValues(rounded),
                "runs": (figures[name] ?? []).map { $0.mapValues(rounded) },
            ]
        }
        let object: [String: Any] = [
            "benchmark": "long-paths", "round_trip_ms": options.roundTrip, "rate_mbit": options.rate / 1_000_000,
            "seconds": options.seconds, "results": results, "failures": failures,
        ]
        let data = (try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])) ?? Data()
        return String(decoding: data, as: UTF8.self)
    }

    private func rounded(_ value: Double) -> Double { (value * 1_000).rounded() / 1_000 }
}
