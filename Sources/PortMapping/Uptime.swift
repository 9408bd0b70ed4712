import Dispatch

/// A clock that only goes forward, and stands while the machine sleeps.
enum Uptime {
    /// Now, in milliseconds.
    static var milliseconds: Int64 { Int64(clamping: DispatchTime.now().uptimeNanoseconds / 1_000_000) }
}
