import Synchronization

@testable import sotto

/// A terminal that a test types at and looks at.
final class TestTerminal: TerminalDevice {
    private struct State {
        var traits: TerminalTraits
        var screen: TestScreen
        var raw = ""
        var handler: (@Sendable (TerminalEvent) -> Void)?
        var closed = 0
        var suspended = 0
    }

    private let state: Mutex<State>

    init(columns: Int = 60, height: Int = 10, interactive: Bool = true, color: Bool = false, echoes: Bool = true) {
        let traits = TerminalTraits(
            isInteractive: interactive, echoesInput: echoes, hasColor: color, hasUnicode: true, columns: columns)
        state = Mutex(State(traits: traits, screen: TestScreen(columns: columns, height: height)))
    }

    var traits: TerminalTraits { state.withLock(\.traits) }
    var screen: TestScreen { state.withLock(\.screen) }
    /// All that was ever written.
    var raw: String { state.withLock(\.raw) }
    var closed: Int { state.withLock(\.closed) }
    var suspended: Int { state.withLock(\.suspended) }

    func start(_ handler: @escaping @Sendable (TerminalEvent) -> Void) {
        state.withLock { $0.handler = handler }
    }

    func write(_ text: String) {
        state.withLock { state in
            state.raw += text
            state.screen.write(text)
        }
    }

    func suspend() { state.withLock { $0.suspended += 1 } }
    func close() { state.withLock { $0.closed += 1 } }

    /// The user types.
    func type(_ text: String) { send(.bytes(Array(text.utf8))) }

    func send(_ event: TerminalEvent) { state.withLock(\.handler)?(event) }

    /// The user changes the size of the window.
    func resize(columns: Int) {
        state.withLock { state in
            state.traits.columns = columns
            state.screen.resize(columns: columns)
        }
        send(.resized(columns: columns))
    }
}
