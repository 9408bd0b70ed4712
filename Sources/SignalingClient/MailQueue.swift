import NIOCore

/// Mail frames on their way out. They wait here rather than with the channel, which gets a little at a time: so mail comes
/// forward beside whatever else is sent, and packets, which are dropped when the channel has too much, hardly notice.
struct MailQueue {
    /// Most bytes of frames that are not written yet; what is more is refused.
    static let capacity = 1 << 20
    /// From so few bytes on there is room again for who was refused.
    static let low = capacity / 2
    /// So many bytes the channel may have at a time, or one frame.
    static let window = 64 * 1024

    private var waiting = CircularBuffer<[UInt8]>()
    /// Bytes of what waits, and of what the channel has.
    private var pending = 0
    private var inChannel = 0
    private var hasRefused = false

    /// Takes a frame; false when there is no room.
    mutating func append(_ frame: [UInt8]) -> Bool {
        guard pending + frame.count <= Self.capacity else {
            hasRefused = true
            return false
        }
        pending += frame.count
        waiting.append(frame)
        return true
    }

    /// The frame to give to the channel now. Each is to be reported by ``written(_:)``.
    mutating func next() -> [UInt8]? {
        guard let first = waiting.first, inChannel == 0 || inChannel + first.count <= Self.window else { return nil }
        waiting.removeFirst()
        inChannel += first.count
        return first
    }

    /// The channel has written a frame of so many bytes. True when somebody who was refused is to be told that there is room.
    mutating func written(_ count: Int) -> Bool {
        inChannel -= count
        pending -= count
        guard hasRefused, pending <= Self.low else { return false }
        hasRefused = false
        return true
    }
}
