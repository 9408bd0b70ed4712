import Foundation
import Glibc

/// Reads a descriptor on a thread of its own, so that files, pipes and terminals all work alike and nothing about the
/// descriptor, which others share, is changed.
final class DescriptorReader: Sendable {
    private let descriptor: Int32
    private let wakeReading: Int32
    private let wakeWriting: Int32
    private let handler: @Sendable ([UInt8]?) -> Void

    /// `handler` is called on the reader's thread with what was read, and at last, at the end of the input, with nil.
    /// While it does not return, nothing is read.
    init(_ descriptor: Int32, handler: @escaping @Sendable ([UInt8]?) -> Void) {
        self.descriptor = descriptor
        self.handler = handler
        var ends: [Int32] = [-1, -1]
        // Without a pipe (no descriptors left) the reader works all the same, and `stop` takes effect at the next input.
        if pipe(&ends) == 0 {
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        }
        wakeReading = ends[0]
        wakeWriting = ends[1]
    }

    deinit {
        if wakeReading >= 0 { Glibc.close(wakeReading) }
        if wakeWriting >= 0 { Glibc.close(wakeWriting) }
    }

    /// Begins to read. Called once.
    func start() {
        let thread = Thread { self.run() }
        thread.name = "sotto.input"
        thread.start()
    }

    /// Ends the thread, without a last call. Returns at once; idempotent.
    func stop() {
        var byte: UInt8 = 0
        _ = Glibc.write(wakeWriting, &byte, 1)
    }

    private func run() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var waiting = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wakeReading, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waiting, 2, -1) >= 0 || errno == EINTR else { return handler(nil) }
            if waiting[1].revents != 0 { return }
            guard waiting[0].revents != 0 else { continue }
            let count = read(descriptor, &buffer, buffer.count)
            if count > 0 {
                handler(Array(buffer[..<count]))
            } else if count == 0 || (errno != EINTR && errno != EAGAIN) {
                return handler(nil)
            }
        }
    }
}
