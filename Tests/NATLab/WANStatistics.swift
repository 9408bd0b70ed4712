/// What has become of the packets of one direction. All numbers count from the start, but ``queued`` and ``underWay``.
package struct WANStatistics: Sendable, Equatable {
    /// Packets that were handed to the link, and their bytes.
    package var packets = 0
    package var bytes = 0
    /// Those of them for which there was no room in the queue.
    package var dropped = 0
    /// Those lost at random.
    package var lost = 0
    /// Arrivals, and their bytes; what arrives twice counts twice.
    package var delivered = 0
    package var deliveredBytes = 0
    package var duplicated = 0
    /// Packets that were held back so that others could pass.
    package var heldBack = 0
    /// Bytes that wait for the bottleneck, and the most that ever did.
    package var queued = 0
    package var longestQueue = 0
    /// Packets that have left the bottleneck and not arrived.
    package var underWay = 0
    /// Packets that the laboratory itself could not handle: there must be none.
    package var mishandled = 0
}
