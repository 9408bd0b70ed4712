import Foundation
import NATLab

/// Tells the story on the terminal, in order and with times.
final class Narrator: Sendable {
    private let began = Locked(ContinuousClock.now)
    private let hasColor = isatty(STDOUT_FILENO) == 1 && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty

    private enum Style: String {
        case plain = "0"
        case dim = "2"
        case bold = "1"
        case relay = "33"
        case direct = "32"
        case alarm = "31"
        case alice = "36"
        case bob = "35"
    }

    /// From now on times count from here: the dial.
    func startClock() { began.withLock { $0 = .now } }

    var elapsed: Double { began.withLock { ContinuousClock.now - $0 } / .milliseconds(1) }

    func map(server: String, alice: LabHost, bob: LabHost) {
        say(
            """

               alice ── NAT ──┐                      ┌── NAT ── bob
               \(pad(alice.address, 14))│       the internet    │   \(bob.address)
               \(pad("→ " + alice.site.publicAddress, 14))├──────────┬───────────┤   → \(bob.site.publicAddress)
                                         sotto-signal
                                         \(server)

               Both NATs are port-restricted: they let in only what answers a packet that went out.
               Everything below is really happening, in network namespaces of this machine.

            """, .dim)
    }

    func chapter(_ text: String) { say("\n\(text)", .bold) }

    /// Time to read. Nothing is waited for here, and nobody is measured meanwhile.
    func pause() async throws {
        for await beat in Ticks(every: .milliseconds(1_500)) where beat == 1 { return }
        try Task.checkCancellation()
    }

    func step(_ text: String) { say("\(time())  \(text)", .plain) }

    func path(_ who: String, _ kind: String, _ detail: String) {
        say(
            "\(time())  \(who): \(kind == "relay" ? "over the relay" : kind.uppercased())\(detail)",
            kind == "relay" ? .relay : .direct)
    }

    func message(_ from: String, _ text: String, delay: Double?) {
        let took = delay.map { String(format: "   (%.1f ms)", $0) } ?? ""
        say("\(time())  \(from): \(text)\(took)", from == "alice" ? .alice : .bob)
    }

    func alarm(_ text: String) { say("\(time())  \(text)", .alarm) }

    func warn(_ text: String) { say(text, .alarm) }

    func farewell() {
        say(
            """

            For real: 'make install', then 'sotto-signal' on a machine that both of you reach,
            'sotto init --server ws://THAT-MACHINE:8080' on yours, 'sotto invite', 'sotto add', 'sotto chat'.
            README.md, "Five minutes with two terminals", has every step.
            """, .plain)
    }

    private func time() -> String { String(format: "%8.0f ms", elapsed) }

    private func pad(_ text: String, _ width: Int) -> String {
        text.padding(toLength: max(width, text.count), withPad: " ", startingAt: 0)
    }

    private func say(_ text: String, _ style: Style) {
        let line = hasColor && style != .plain ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
        try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
    }
}
