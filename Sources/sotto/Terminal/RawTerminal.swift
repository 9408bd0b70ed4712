import Foundation
import Glibc
import NIOConcurrencyHelpers

/// The terminal the process was started in: raw mode while a chat runs, bytes and size changes as events, and the old
/// state back at the end, whatever the end is.
final class RawTerminal: TerminalDevice {
    private struct State {
        var traits: TerminalTraits
        var original: termios?
        var reader: DescriptorReader?
        var signals: SignalEvents?
        var isClosed = false
    }

    private let input: Int32
    private let output: Int32
    private let state: NIOLockedValueBox<State>
    /// Held while the terminal's mode changes: after a stop both the thread that asked for it and the one that hears of SIGCONT
    /// take the terminal over again.
    private let mode = NIOLock()

    /// Ends bracketed paste and colours, shows the cursor.
    private static let epilogue: StaticString = "\u{1B}[?2004l\u{1B}[0m\u{1B}[?25h"
    private static let prologue = "\u{1B}[?2004h"

    /// Looks at the terminal and, if it understands cursor movement, switches it to raw mode.
    init(
        input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) {
        self.input = input
        self.output = output
        var traits = TerminalTraits.judged(
            inputIsTerminal: isatty(input) == 1, outputIsTerminal: isatty(output) == 1,
            columns: Self.columns(of: output), environment: environment)
        var original = termios()
        let isRaw = traits.isInteractive && tcgetattr(input, &original) == 0 && Self.makeRaw(input, original)
        traits.isInteractive = isRaw
        state = NIOLockedValueBox(State(traits: traits, original: isRaw ? original : nil))
        if isRaw {
            TerminalRestoration.arm(input: input, original: original, output: output, epilogue: Self.epilogue)
            write(Self.prologue)
        }
    }

    deinit { close() }

    var traits: TerminalTraits { state.withLockedValue(\.traits) }

    func start(_ handler: @escaping @Sendable (TerminalEvent) -> Void) {
        let reader = DescriptorReader(input) { bytes in handler(bytes.map { .bytes($0) } ?? .endOfInput) }
        let signals = SignalEvents([SIGWINCH, SIGCONT, SIGINT, SIGTERM, SIGHUP]) { [weak self] number in
            guard let self else { return }
            switch number {
            case SIGWINCH:
                let columns = Self.columns(of: output)
                state.withLockedValue { $0.traits.columns = columns }
                handler(.resized(columns: columns))
            case SIGCONT:
                reenter()
                handler(.resumed)
            default: handler(.interrupted)
            }
        }
        state.withLockedValue { state in
            state.reader = reader
            state.signals = signals
        }
        reader.start()
    }

    func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var offset = 0
            while offset < bytes.count, let base = bytes.baseAddress {
                let written = Glibc.write(output, base + offset, bytes.count - offset)
                if written >= 0 {
                    offset += written
                } else if errno == EAGAIN {
                    var waiting = pollfd(fd: output, events: Int16(POLLOUT), revents: 0)
                    poll(&waiting, 1, 1000)
                } else if errno != EINTR {
                    // Nobody is there to read it any more; the end of the input tells the rest of the program.
                    return
                }
            }
        }
    }

    func suspend() {
        mode.withLock { TerminalRestoration.disarm() }
        // Threads that Dispatch made block signals, and those that they made do, too: the stop would stay pending.
        var stop = sigset_t()
        sigemptyset(&stop)
        sigaddset(&stop, SIGTSTP)
        var mask = sigset_t()
        pthread_sigmask(SIG_UNBLOCK, &stop, &mask)
        raise(SIGTSTP)
        pthread_sigmask(SIG_SETMASK, &mask, nil)
        reenter()
    }

    func close() {
        let (reader, signals) = state.withLockedValue { state in
            defer {
                state.isClosed = true
                state.reader = nil
                state.signals = nil
                state.original = nil
            }
            return (state.reader, state.signals)
        }
        signals?.cancel()
        reader?.stop()
        mode.withLock { TerminalRestoration.disarm() }
    }

    /// Raw mode again, after the shell had the terminal.
    private func reenter() {
        mode.withLock {
            guard let original = state.withLockedValue({ $0.original }), Self.makeRaw(input, original) else { return }
            TerminalRestoration.arm(input: input, original: original, output: output, epilogue: Self.epilogue)
            write(Self.prologue)
        }
    }

    /// Byte by byte, no echo, no signals from keys; the translation of line ends on output stays, for the sake of others
    /// that print.
    private static func makeRaw(_ descriptor: Int32, _ original: termios) -> Bool {
        var raw = original
        cfmakeraw(&raw)
        raw.c_oflag = original.c_oflag
        return tcsetattr(descriptor, TCSADRAIN, &raw) == 0
    }

    private static func columns(of descriptor: Int32) -> Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }
}
