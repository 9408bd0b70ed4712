import Foundation
import Glibc
import Testing

/// Both ends of a pseudo-terminal: a test holds the end where keyboard and screen would be.
final class PseudoTerminal: Sendable {
    let path: String
    /// The program's end.
    let descriptor: Int32
    private let keyboard: Int32

    struct Failed: Error {}

    init(columns: UInt16 = 80) throws {
        keyboard = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        // The numbers of TIOCSPTLCK (unlock) and TIOCGPTN (which one is it), which Swift does not import.
        var locked: Int32 = 0
        var number: UInt32 = 0
        guard keyboard >= 0, ioctl(keyboard, 0x4004_5431, &locked) == 0, ioctl(keyboard, 0x8004_5430, &number) == 0
        else { throw Failed() }
        path = "/dev/pts/\(number)"
        descriptor = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failed() }
        resize(columns: columns)
    }

    deinit {
        close(descriptor)
        close(keyboard)
    }

    func resize(columns: UInt16) {
        var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(keyboard, UInt(TIOCSWINSZ), &size)
    }

    func type(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(write(keyboard, bytes, bytes.count) == bytes.count)
    }

    /// Whether what is typed is shown, and whether lines are collected, now.
    var mode: (echo: Bool, lines: Bool, signals: Bool) {
        var mode = termios()
        tcgetattr(descriptor, &mode)
        func has(_ flag: Int32) -> Bool { mode.c_lflag & tcflag_t(flag) != 0 }
        return (has(ECHO), has(ICANON), has(ISIG))
    }

    /// What was written to the screen, up to and including `text`; what came within thirty seconds if it does not come.
    func output(until text: String) async -> String {
        // On a thread of its own: what is waited for may need those of the tasks.
        await withCheckedContinuation { continuation in
            Thread { continuation.resume(returning: self.read(until: text)) }.start()
        }
    }

    private func read(until text: String) -> String {
        var bytes: [UInt8] = []
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        deadline.tv_sec += 30
        // Bytes, because a line feed is no character of its own behind a carriage return.
        let wanted = Array(text.utf8)
        while !bytes.indices.contains(where: { bytes[$0...].starts(with: wanted) }) {
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            guard now.tv_sec < deadline.tv_sec else { break }
            var waiting = pollfd(fd: keyboard, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 1000) > 0 else { continue }
            var buffer = [UInt8](repeating: 0, count: 1024)
            let count = Glibc.read(keyboard, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
