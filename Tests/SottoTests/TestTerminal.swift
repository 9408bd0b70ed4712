import NIOConcurrencyHelpers

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

    private let state: NIOLockedValueBox<State>

    init(columns: Int = 60, height: Int = 10, interactive: Bool = true, color: Bool = false, echoes: Bool = true) {
        let traits = TerminalTraits(
            isInteractive: interactive, echoesInput: echoes, hasColor: color, hasUnicode: true, columns: columns)
        state = NIOLockedValueBox(State(traits: traits, screen: TestScreen(columns: columns, height: height)))
    }

    var traits: TerminalTraits { state.withLockedValue(\.traits) }
    var screen: TestScreen { state.withLockedValue(\.screen) }
    /// All that was ever written.
    var raw: String { state.withLockedValue(\.raw) }
    var closed: Int { state.withLockedValue(\.closed) }
    var suspended: Int { state.withLockedValue(\.suspended) }

    func start(_ handler: @escaping @Sendable (TerminalEvent) -> Void) {
        state.withLockedValue { $0.handler = handler }
    }

    func write(_ text: String) {
        state.withLockedValue { state in
            state.raw += text
            state.screen.write(text)
        }
    }

    func suspend() { state.withLockedValue { $0.suspended += 1 } }
    func close() { state.withLockedValue { $0.closed += 1 } }

    /// The user types.
    func type(_ text: String) { send(.bytes(Array(text.utf8))) }

    func send(_ event: TerminalEvent) { state.withLockedValue(\.handler)?(event) }

    /// The user changes the size of the window.
    func resize(columns: Int) {
        state.withLockedValue { state in
            state.traits.columns = columns
            state.screen.resize(columns: columns)
        }
        send(.resized(columns: columns))
    }
}
