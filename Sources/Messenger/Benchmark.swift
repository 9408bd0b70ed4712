package import Wire

// What a benchmark finds, and what is told of it.

/// What is told of a benchmark while it runs and at its end.
package enum BenchmarkNews: Sendable {
    /// Four times a second to who asked for it.
    case progress(BenchmarkProgress)
    case finished(BenchmarkReport)
    case failed(BenchmarkFailure)
    /// The contact measures with us; and has measured, so many bytes in both directions.
    case began
    case ended(bytes: UInt64)
}

/// How far a benchmark is.
package struct BenchmarkProgress: Sendable {
    package let phase: BenchmarkPhase
    /// Bits a second since the phase began; 0 in the echo phase.
    package let bitsPerSecond: Double
    /// Since the phase began.
    package let seconds: Double
}

/// Why there is no result.
package enum BenchmarkFailure: Error, Equatable, Sendable {
    /// The contact's program offers no benchmarks: it is older, or was not told to, or not to us.
    case notOffered
    /// The contact's program measures with somebody else, or ours does.
    case busy
    /// The session ended; why, in words.
    case interrupted(String)
    /// Nothing came any more, or not in time.
    case silent
    /// What came makes no sense.
    case misbehaved
}

/// What a benchmark found.
package struct BenchmarkReport: Sendable {
    /// Bulk in one direction.
    package struct Transfer: Sendable {
        package var bytes: UInt64 = 0
        /// From the first byte until the last was taken by the receiver.
        package var nanoseconds: UInt64 = 0
        /// Nanoseconds of processor time of this process.
        package var processor: UInt64 = 0
        /// The same of the contact's, as it says.
        package var peerProcessor: UInt64 = 0

        package var bitsPerSecond: Double { nanoseconds == 0 ? 0 : Double(bytes) * 8 / (Double(nanoseconds) / 1e9) }
    }

    /// From this device to the contact.
    package internal(set) var upload = Transfer()
    /// From the contact to this device.
    package internal(set) var download = Transfer()
    /// The longest time, in nanoseconds, in which nothing new of the download came, between its first byte and its last.
    package internal(set) var longestGap: UInt64 = 0
    /// Round trips of ``echoSize`` bytes on the stream, one at a time, in nanoseconds, shortest first.
    package internal(set) var roundTrips: [UInt64] = []
    /// The most memory that this process occupied, in bytes, of what was looked at.
    package internal(set) var memory: UInt64 = 0
    /// The same of the contact's, as it says.
    package internal(set) var peerMemory: UInt64 = 0
    /// What carried the session at the end.
    package internal(set) var path: ConversationPath?
    /// How often that changed meanwhile.
    package internal(set) var pathChanges = 0
    package internal(set) var cipher = CipherName.chaCha20Poly1305
    /// Whether the session's keys are safe from quantum computers.
    package internal(set) var isHybrid = false
    /// QUIC packets that this device sent meanwhile, and their bytes: what is more than was to be sent are headers, acknowledgements and repetitions.
    package internal(set) var packetsSent: UInt64 = 0
    package internal(set) var bytesSent: UInt64 = 0

    /// Bytes in each direction of a round trip.
    package static let echoSize = 64

    init() {}

    /// The round trip in nanoseconds below which a share of all are; `nil` when there was none.
    package func roundTrip(_ share: Double) -> UInt64? {
        guard let last = roundTrips.indices.last else { return nil }
        return roundTrips[max(0, min(last, Int(Double(roundTrips.count) * share)))]
    }
}
