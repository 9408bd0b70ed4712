import Foundation

/// What a run was, and what it found.
package struct ChaosReport: Sendable {
    package var seed: UInt64 = 0
    package var messages = 0
    package var compared = 0
    package var seconds = 0.0
    package var kills: [String: Int] = [:]
    package var cuts: [String: Int] = [:]
    package var fills: [String: Int] = [:]
    package var mails = 0
    package var repeats = 0
    package var swaps = 0
    package var doubles = 0
    package var routes: [String: Int] = [:]
    package var errors: [String: Int] = [:]
    package var refusals = 0
    package var reconsidered = 0
    package var excusedEnds = 0
    package var chokes = 0
    package var scannedFiles = 0
    package var scannedBytes = 0
    package var settlingSeconds = 0.0
    package var violations = Violations()

    package var isClean: Bool { violations.isEmpty }

    /// For people, and for docs/reliability.md.
    package var text: String {
        func list(_ counts: [String: Int]) -> String {
            let sum = counts.values.reduce(0, +)
            let parts = counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            return "\(sum)" + (parts.isEmpty ? "" : " (\(parts.joined(separator: ", ")))")
        }
        var lines = [
            "seed                  \(seed)",
            "messages compared     \(compared) of \(messages)",
            String(
                format:
                    "time                  %.0f s, %.0f messages a second; the last ones were delivered %.1f s after everything was healed",
                seconds, Double(compared) / max(seconds, 0.001), settlingSeconds),
            "kills                 \(list(kills))",
            "network cuts          \(list(cuts))",
            "disks filled          \(list(fills)); \(refusals) messages refused, \(excusedEnds) programs ended by it",
            "mail frames           \(mails) to clients, \(repeats) repeated, \(swaps) swapped; \(doubles) doubled towards the server",
            "delivered by          \(list(routes)) (of others the program died before it could say)",
            "unanswered at death   \(reconsidered), written again",
            "events                \(list(errors))",
            "scanned for plaintext \(scannedFiles) files, \(scannedBytes) bytes",
        ]
        if chokes > 0 { lines.append("pipes choked          \(chokes)") }
        lines.append("")
        for (name, count) in violations.counts {
            lines.append(name.padding(toLength: 28, withPad: " ", startingAt: 0) + "\(count)")
        }
        if !isClean {
            lines.append("")
            lines += violations.examples
        }
        return lines.joined(separator: "\n")
    }
}
