import Foundation

extension Duration {
    var milliseconds: Double { self / .milliseconds(1) }
}

/// A row of measured times in milliseconds.
struct Figures: Sendable {
    var values: [Double] = []

    /// All of them, in the order of their measurement.
    var list: String { values.map { "\(Int($0.rounded()))" }.joined(separator: ", ") }

    /// The smallest value that this share of all values does not exceed (nearest rank); nil without values.
    func percentile(_ share: Double) -> Double? {
        guard !values.isEmpty else { return nil }
        let rank = Int((share * Double(values.count)).rounded(.up))
        return values.sorted()[min(values.count, max(1, rank)) - 1]
    }

    var summary: String {
        guard let half = percentile(0.5), let most = percentile(0.95), let worst = values.max() else { return "none" }
        return "p50 \(Int(half.rounded())) ms, p95 \(Int(most.rounded())) ms, worst \(Int(worst.rounded())) ms "
            + "(\(values.count) values)"
    }
}
