import Foundation
import Glibc
import NIOConcurrencyHelpers

/// What the user did.
enum ChatInput: Equatable, Sendable {
    /// A line to send; never blank, may contain line breaks.
    case line(String)
    /// Ctrl-C, or SIGINT, SIGTERM or SIGHUP.
    case interrupt
    /// Ctrl-D on an empty line, or the end of the file that is read.
    case endOfInput
}

/// A chat with one contact on a terminal.
///
/// On a terminal that can be redrawn, the line being typed and the status stay at the bottom and entries appear above.
/// Elsewhere (a pipe, a file, `TERM=dumb`) entries are plain lines and the input is read line by line. The screen does
/// not print what the user submits: call `showOwn` when it is sent.
///
/// All methods may be called from any thread. Writing blocks as long as the terminal does.
final class ChatScreen: Sendable {
    private struct State {
        var renderer: ChatRenderer
        var editor = LineEditor()
        var plainInput = PlainInput()
        var isTyping = false
        var isClosed = false
    }

    private let terminal: any TerminalDevice
    private let onTyping: @Sendable (Bool) -> Void
    private let state: NIOLockedValueBox<State>
    private let queue = InputQueue<ChatInput>(capacity: 64)

    /// What the user does, until `close` or the end of the input. For one reader. At most 64 inputs wait to be read;
    /// then the terminal waits.
    var inputs: AsyncStream<ChatInput> {
        AsyncStream(unfolding: { [queue] in await queue.next() }, onCancel: { [queue] in queue.finish() })
    }

    /// Takes the terminal over and draws the status line.
    ///
    /// - Parameter onTyping: called when the user begins to write a line, and when it is empty again; from the terminal's thread.
    init(
        contact: String, terminal: any TerminalDevice, status: ChatStatus = ChatStatus(),
        onTyping: @escaping @Sendable (Bool) -> Void = { _ in }
    ) {
        self.terminal = terminal
        self.onTyping = onTyping
        var renderer = ChatRenderer(contact: contact, traits: terminal.traits)
        renderer.status = status
        state = NIOLockedValueBox(State(renderer: renderer))
        terminal.start { [weak self] event in self?.handle(event) }
        draw { $0.renderer.redrawFooter($0.editor) }
    }

    /// A message from the peer. Neither text nor name can harm the terminal.
    func show(incoming text: String, from name: String, at time: Date = Date()) {
        draw { $0.renderer.show(text, by: .peer(name), time: TimeText.clock(time), line: $0.editor) }
    }

    /// A message of the user's own. On a terminal that echoes what is typed, it is there already if it was typed just now.
    func showOwn(_ text: String, at time: Date = Date(), isTyped: Bool = true) {
        guard terminal.traits.isInteractive || !terminal.traits.echoesInput || !isTyped else { return }
        draw { $0.renderer.show(text, by: .own, time: TimeText.clock(time), line: $0.editor) }
    }

    /// A remark of the program.
    func showNotice(_ text: String, at time: Date = Date()) {
        draw { $0.renderer.show(text, by: .notice, time: TimeText.clock(time), line: $0.editor) }
    }

    /// A line between entries.
    func showDivider(_ text: String) {
        draw { $0.renderer.show(text, by: .divider, time: "", line: $0.editor) }
    }

    /// What the status line says from now on. Without a status line, only connection and path are told, as they change.
    func setStatus(_ status: ChatStatus) {
        draw { state in
            let before = state.renderer.status
            guard before != status else { return "" }
            state.renderer.status = status
            if state.renderer.traits.isInteractive { return state.renderer.redrawFooter(state.editor) }
            guard before.connected != status.connected || before.path != status.path else { return "" }
            return state.renderer.show(
                state.renderer.statusText(), by: .notice, time: TimeText.clock(Date()), line: state.editor)
        }
    }

    /// Ends the chat: removes the status line and gives the terminal back. Idempotent.
    func close() {
        draw { state in
            defer { state.isClosed = true }
            return state.renderer.eraseFooter()
        }
        queue.finish()
        terminal.close()
    }

    // MARK: Input

    private func handle(_ event: TerminalEvent) {
        let inputs = state.withLockedValue { state -> [ChatInput] in
            guard !state.isClosed else { return [] }
            switch event {
            case .bytes(let bytes): return take(bytes, &state)
            case .resized(let columns): terminal.write(state.renderer.resize(columns: columns, state.editor))
            case .resumed:
                state.renderer.forgetFooter()
                terminal.write(state.renderer.redrawFooter(state.editor))
            case .interrupted: return [.interrupt]
            case .endOfInput: return (state.plainInput.finish().map { [.line($0)] } ?? []) + [.endOfInput]
            }
            return []
        }
        let typing = state.withLockedValue { state -> Bool? in
            let line = state.editor.text
            let isTyping = !state.isClosed && !line.isEmpty && !line.hasPrefix("/")
            guard isTyping != state.isTyping else { return nil }
            state.isTyping = isTyping
            return isTyping
        }
        if let typing { onTyping(typing) }
        // Outside the lock: a full queue holds up the input, but never the screen.
        for input in inputs { queue.push(input) }
    }

    private func take(_ bytes: [UInt8], _ state: inout State) -> [ChatInput] {
        guard state.renderer.traits.isInteractive else {
            return state.plainInput.feed(bytes).map { .line($0) }
        }
        var inputs: [ChatInput] = []
        var output = ""
        for event in state.editor.feed(bytes) {
            switch event {
            case .changed: output += state.renderer.redrawLine(state.editor)
            case .submitted(let line):
                output += state.renderer.redrawLine(state.editor)
                inputs.append(.line(line))
            case .refused: output += "\u{07}" + state.renderer.redrawLine(state.editor)
            case .redraw: output += state.renderer.clear(state.editor)
            case .interrupt: inputs.append(.interrupt)
            case .endOfInput: inputs.append(.endOfInput)
            case .suspend:
                terminal.write(output + state.renderer.eraseFooter())
                output = ""
                // Comes back as `resumed`, which draws again.
                terminal.suspend()
            }
        }
        terminal.write(output)
        return inputs
    }

    private func draw(_ change: (inout State) -> String) {
        state.withLockedValue { state in
            guard !state.isClosed else { return }
            let output = change(&state)
            // Unintelligent places get the line ends they expect.
            let text =
                state.renderer.traits.isInteractive
                ? output : output.split(separator: "\r\n", omittingEmptySubsequences: false).joined(separator: "\n")
            terminal.write(text)
        }
    }
}
