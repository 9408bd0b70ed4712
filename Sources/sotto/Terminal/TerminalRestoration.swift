import Glibc

/// Puts a terminal back into the state it was found in, however the process ends: `exit`, a fatal signal, a crash.
///
/// One terminal at a time. Not meant for concurrent `arm` and `disarm`; both happen on the path that opens and closes
/// the terminal.
enum TerminalRestoration {
    /// What must be undone. Plain memory, because a signal handler reads it.
    private struct Slot {
        var armed: sig_atomic_t = 0
        var input: Int32 = -1
        var original = termios()
        var output: Int32 = -1
        var epilogue: UnsafePointer<UInt8>?
        var epilogueLength = 0
    }

    private static let handler: @convention(c) (Int32) -> Void = { TerminalRestoration.handle($0) }

    /// Signals that end a process by default, whether a fault raises them, a user or the system.
    private static let signals = [
        SIGABRT, SIGBUS, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGQUIT, SIGSEGV, SIGSYS, SIGTERM, SIGTRAP,
    ]

    // Safety: allocated once and never freed. Written by `arm` and `disarm` only, `armed` last and first respectively;
    // a handler that runs in between sees `armed == 0` and does nothing.
    nonisolated(unsafe) private static let slot: UnsafeMutablePointer<Slot> = {
        let pointer = UnsafeMutablePointer<Slot>.allocate(capacity: 1)
        pointer.initialize(to: Slot())
        atexit { TerminalRestoration.restore() }
        return pointer
    }()

    // Safety: as for `slot`. The dispositions found, by signal number.
    nonisolated(unsafe) private static let previous: UnsafeMutablePointer<sigaction> = {
        let pointer = UnsafeMutablePointer<sigaction>.allocate(capacity: 65)
        pointer.initialize(repeating: sigaction(), count: 65)
        return pointer
    }()

    /// From now on, the end of the process gives `original` back to `input` and writes `epilogue` to `output`.
    static func arm(input: Int32, original: termios, output: Int32, epilogue: StaticString) {
        disarm()
        slot.pointee = Slot(
            armed: 0, input: input, original: original, output: output, epilogue: epilogue.utf8Start,
            epilogueLength: epilogue.utf8CodeUnitCount)
        for signal in signals {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = handler
            sigaction(signal, nil, previous + Int(signal))
            // Who ignores a signal (nohup) or handles it already, keeps doing so.
            let found = unsafeBitCast(previous[Int(signal)].__sigaction_handler.sa_handler, to: Int.self)
            if found == 0 { sigaction(signal, &action, nil) }
        }
        slot.pointee.armed = 1
    }

    /// Restores the terminal now, and the signals' dispositions. Idempotent.
    static func disarm() {
        guard slot.pointee.armed != 0 else { return }
        restore()
        // Others may have taken a signal over since.
        for signal in signals where isHandler(SignalEvents.disposition(signal)) {
            sigaction(signal, previous + Int(signal), nil)
        }
    }

    /// Whether a signal's disposition is the one that `arm` sets.
    static func isHandler(_ disposition: Int) -> Bool { disposition == unsafeBitCast(handler, to: Int.self) }

    /// Safe to call from a signal handler: nothing but `tcsetattr` and `write`.
    private static func restore() {
        guard slot.pointee.armed != 0 else { return }
        slot.pointee.armed = 0
        tcsetattr(slot.pointee.input, TCSANOW, &slot.pointee.original)
        if let epilogue = slot.pointee.epilogue, slot.pointee.epilogueLength > 0 {
            _ = write(slot.pointee.output, epilogue, slot.pointee.epilogueLength)
        }
    }

    /// Restores, then lets the signal do what it would have done.
    private static func handle(_ signal: Int32) {
        restore()
        sigaction(signal, previous + Int(signal), nil)
        raise(signal)
    }
}
