import NIOCore
import Paths

/// The event loop's clock and timers, in the terms of this module. Closures run on the loop, in its isolation.
struct NodeClock {
    let loop: NIOIsolatedEventLoop

    /// Monotonic nanoseconds.
    var now: MonotonicTime { MonotonicTime(nanoseconds: NIODeadline.now().uptimeNanoseconds) }

    /// Runs `work` at `time`, or soon when that has passed.
    func at(_ time: MonotonicTime, _ work: @escaping () -> Void) -> Scheduled<Void> {
        loop.scheduleTask(deadline: .uptimeNanoseconds(time.nanoseconds), work)
    }

    /// Runs `work` after so many milliseconds.
    func after(milliseconds: Int64, _ work: @escaping () -> Void) -> Scheduled<Void> {
        loop.scheduleTask(in: .milliseconds(milliseconds), work)
    }

    /// Runs `work` once the current event has been dealt with.
    func soon(_ work: @escaping () -> Void) { loop.execute(work) }
}
