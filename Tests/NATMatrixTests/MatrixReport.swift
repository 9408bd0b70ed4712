import Foundation
import NATLab

/// What one cell of the matrix showed.
struct CellResult: Sendable {
    var firstMessage: Double?
    var direct: Double?
    /// The route that held: "direct", "relay", "turn".
    var route: String?
    var failed = false
}

/// Collects the results of all cells and scenarios. Prints the matrix when the last cell is done, each scenario's line
/// at once, and keeps the file that SOTTO_MATRIX_OUT names up to date.
final class MatrixReport: Sendable {
    static let shared = MatrixReport()

    private struct State {
        var cells: [String: CellResult] = [:]
        var scenarios: [String] = []
        let began = ContinuousClock.now
    }

    private let state = Locked(State())

    func record(_ alice: NATProfile, _ bob: NATProfile, _ result: CellResult) {
        let count = NATProfile.allCases.count
        let finished = state.withLock { state -> (State, Duration)? in
            state.cells["\(alice)/\(bob)"] = result
            return state.cells.count == count * count ? (state, .now - state.began) : nil
        }
        guard let (final, duration) = finished else { return }
        print(Self.markdown(final.cells, final.scenarios) + "\nall cells in \(Int(duration / .seconds(1))) s")
        write()
    }

    /// Notes a scenario's figures, a line of its own.
    func note(_ scenario: String, _ text: String) {
        print("SCENARIO \(scenario): \(text)")
        state.withLock { $0.scenarios.append("| \(scenario) | \(text) |") }
        write()
    }

    /// Only with all cells: a partial run must not take the place of a whole one.
    private func write() {
        guard let path = ProcessInfo.processInfo.environment["SOTTO_MATRIX_OUT"] else { return }
        let all = NATProfile.allCases.count * NATProfile.allCases.count
        let text = state.withLock {
            $0.cells.count == all ? Self.markdown($0.cells, $0.scenarios.sorted()) : nil
        }
        guard let text else { return }
        do {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            print("cannot write \(path): \(error)")
        }
    }

    private static func markdown(_ cells: [String: CellResult], _ scenarios: [String]) -> String {
        let profiles = NATProfile.allCases
        var lines = [
            "# The NAT matrix", "",
            "Alice (rows) dials bob (columns); both run the real programs in a laboratory of network namespaces, without",
            "added delay. A cell tells the route that held, the time from the dial to the first message ever at bob (its",
            "ratchet session begins with it), and the time from the dial to the direct path. `docs/nat-laboratory.md` tells how it is measured.",
            "",
            "| alice \\ bob | " + profiles.map(\.description).joined(separator: " | ") + " |",
            "|---|" + profiles.map { _ in "---|" }.joined(),
        ]
        for alice in profiles {
            let row = profiles.map { cells["\(alice)/\($0)"].map(text) ?? "not run" }
            lines.append("| **\(alice)** | " + row.joined(separator: " | ") + " |")
        }
        let first = Figures(values: cells.values.compactMap(\.firstMessage))
        let direct = Figures(values: cells.values.compactMap(\.direct))
        lines += ["", "- first message: \(first.summary)", "- direct path: \(direct.summary)"]
        if !scenarios.isEmpty { lines += ["", "| scenario | figures |", "|---|---|"] + scenarios }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func text(_ cell: CellResult) -> String {
        let first = cell.firstMessage.map { "\(Int($0.rounded())) ms" } ?? "–"
        let direct = cell.direct.map { ", direct after \(Int($0.rounded())) ms" } ?? ""
        return "\(cell.failed ? "FAILED " : "")\(cell.route ?? "no route") (first \(first)\(direct))"
    }
}
