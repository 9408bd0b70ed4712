/// What the terminal can do. Found out once; only the size changes.
struct TerminalTraits: Equatable, Sendable {
    /// Whether lines can be edited and redrawn: input and output are a terminal that understands cursor movement.
    var isInteractive: Bool
    /// Whether what is typed is shown by the terminal itself (an unintelligent terminal in line mode).
    var echoesInput: Bool
    /// Whether colours may be used.
    var hasColor: Bool
    /// Whether signs beyond ASCII can be shown.
    var hasUnicode: Bool
    var columns: Int

    /// Plain lines: for pipes and files.
    static let plain = TerminalTraits(
        isInteractive: false, echoesInput: false, hasColor: false, hasUnicode: true, columns: 80)

    /// Judges a terminal by what the environment says.
    ///
    /// - `TERM` unset, empty or `dumb`: no cursor movement.
    /// - `NO_COLOR` set to anything but nothing: no colours (no-color.org).
    /// - `LC_ALL`, `LC_CTYPE`, `LANG`, the first that is set: ASCII only if it names neither UTF-8 nor nothing.
    static func judged(
        inputIsTerminal: Bool, outputIsTerminal: Bool, columns: Int, environment: [String: String]
    ) -> TerminalTraits {
        let kind = environment["TERM"] ?? ""
        let understands = !kind.isEmpty && kind != "dumb"
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty }?.uppercased() ?? ""
        return TerminalTraits(
            isInteractive: inputIsTerminal && outputIsTerminal && understands,
            echoesInput: inputIsTerminal,
            hasColor: outputIsTerminal && understands && (environment["NO_COLOR"] ?? "").isEmpty,
            hasUnicode: locale.isEmpty || locale.contains("UTF-8") || locale.contains("UTF8"),
            columns: columns)
    }
}

/// What comes from a terminal.
enum TerminalEvent: Equatable, Sendable {
    case bytes([UInt8])
    case resized(columns: Int)
    /// The process was stopped and goes on: the screen holds other things now.
    case resumed
    /// SIGINT, SIGTERM or SIGHUP.
    case interrupted
    /// Nothing more will come.
    case endOfInput
}

/// A place where a chat happens: the real terminal, or one that a test looks at.
protocol TerminalDevice: AnyObject, Sendable {
    var traits: TerminalTraits { get }
    /// Begins to deliver events, one after the other, on a thread of the device. A handler that does not return holds
    /// up the input: that is the brake. Called once.
    func start(_ handler: @escaping @Sendable (TerminalEvent) -> Void)
    /// Writes all of the text.
    func write(_ text: String)
    /// Gives the terminal back to the shell until the user continues the program.
    func suspend()
    /// Gives the terminal back for good. Idempotent.
    func close()
}
