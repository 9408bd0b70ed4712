import ArgumentParser
import Wire

/// What the connections do once they are logged in.
enum LoadMode: String, ExpressibleByArgument, CaseIterable {
    /// Nothing: memory is what is measured.
    case idle
    /// SIGNAL frames to random others: whoever gets one sends one.
    case signal
    /// RELAY frames between pairs: whoever gets one sends one back.
    case relay
}

/// The command line.
struct LoadOptions: ParsableArguments {
    /// More connections than a process should try.
    static let maximumConnections = 100_000

    @Argument(help: "The server, ws://HOST[:PORT] or wss://HOST[:PORT].")
    var url: String

    @Option(help: "idle, signal or relay.")
    var mode = LoadMode.signal

    @Option(help: "Connections, each with an identity of its own.")
    var connections = 1_000

    @Option(help: "Seconds that are measured.")
    var seconds = 5

    @Option(help: "Seconds before that.")
    var warmUp = 1

    @Option(
        help: "Frames under way: in all with --mode signal, from each connection with --mode relay. (default: 512, 2)")
    var inFlight: Int?

    @Option(help: "Bytes of payload of a SIGNAL frame.")
    var signalBytes = 300

    @Option(help: "Bytes of a packet in a RELAY frame.")
    var packetBytes = 1_200

    @Option(help: "Packets in a RELAY frame.")
    var packets = 54

    @Option(help: "Connections from one source address 127.x.y.z; 0: leave the address to the system.")
    var perAddress = 50

    @Option(help: "Logins that are under way at once.")
    var loginsAtOnce = 64

    @Option(help: "Threads of the generator.")
    var threads = 1

    @Option(help: "Text from which the identities are made: the same text gives the same peers.")
    var seed = "sotto-signal-load"

    @Option(help: "Certificate authority of the server, PEM; without it the system's are trusted.")
    var ca: String?

    @Option(help: "Process of the server on this machine: its memory and CPU time are read from /proc.")
    var serverPid: Int?

    @Flag(help: "One line of JSON instead of the table.")
    var json = false

    /// The server, read.
    func server() throws -> ServerURL {
        do { return try ServerURL(url) } catch { throw ValidationError("\(url) is no URL of a server") }
    }

    /// What each client is told to keep in flight, and to send.
    var frames: Int { inFlight ?? (mode == .relay ? 2 : 512) }

    mutating func validate() throws {
        try Self.check("connections", connections, 2...Self.maximumConnections)
        try Self.check("seconds", seconds, 1...3_600)
        try Self.check("warm-up", warmUp, 0...600)
        try Self.check("in-flight", frames, 1...1_000_000)
        try Self.check("signal-bytes", signalBytes, 8...SignalingFrame.maximumSignalPayload)
        try Self.check("packet-bytes", packetBytes, 8...SignalingFrame.maximumRelayPackets)
        try Self.check("packets", packets, 1...SignalingFrame.maximumRelaySegments)
        try Self.check("bytes of a RELAY frame", packets * packetBytes, 8...SignalingFrame.maximumRelayPackets)
        try Self.check("per-address", perAddress, 0...60_000)
        try Self.check("logins-at-once", loginsAtOnce, 1...10_000)
        try Self.check("threads", threads, 1...64)
        if mode == .relay, connections % 2 == 1 { throw ValidationError("pairs need an even number of connections") }
        _ = try server()
    }

    private static func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
        guard range.contains(value) else {
            throw ValidationError("\(name): \(range.lowerBound) to \(range.upperBound)")
        }
    }
}
