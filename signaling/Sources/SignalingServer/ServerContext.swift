import Logging
import NIOConcurrencyHelpers
import NIOCore
import Synchronization
import Wire

/// What the connections of a server share. Immutable, or safe from every thread.
final class ServerContext: Sendable {
    let configuration: ServerConfiguration
    let router: any Router
    let metrics: Metrics
    let addresses: AddressLimits
    let hosts: OwnHosts
    let logger: Logger
    /// Nil when there is none.
    let mailbox: (any Mailbox)?
    let limits: ServerLimits
    /// The largest frame of a client that has logged in.
    let maximumFrame: Int
    /// How often strangers may ask; nil without a mailbox.
    let strangers: StrangerLimits?
    /// CHALLENGEs sent so far.
    private let challenges = Atomic<UInt64>(0)
    /// The ports of the STUN responders once they are known.
    private let stunPorts = NIOLockedValueBox<[UInt16]>([])

    /// - Parameter mailbox: there when the configuration has one.
    init(_ configuration: ServerConfiguration, mailbox: (any Mailbox)?, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        router = LocalRouter()
        metrics = Metrics()
        addresses = AddressLimits(configuration.limits)
        hosts = OwnHosts(configuration.hosts)
        self.mailbox = mailbox
        limits = configuration.limits
        maximumFrame =
            mailbox == nil ? SignalingFrame.maximumFrame : max(SignalingFrame.maximumFrame, MailFrame.maximumFrame)
        strangers = configuration.mailbox.map { StrangerLimits($0.limits.requestsByAddress) }
    }

    /// The number of a CHALLENGE that is about to be sent: larger than those of all before it.
    func nextOrder() -> UInt64 {
        challenges.wrappingAdd(1, ordering: .relaxed).newValue
    }

    /// A STUN responder has its port. The first one is what clients use; the others tell them more about their NAT.
    func addSTUNPort(_ port: UInt16) {
        stunPorts.withLockedValue { $0.append(port) }
    }

    /// What WELCOME tells `peer`.
    ///
    /// - Parameter time: seconds since 1970.
    func welcome(for peer: PeerKey, time: Int64) -> Welcome {
        var servers = stunPorts.withLockedValue { $0 }.map { ICEServer(kind: .stun, port: $0) }
        servers += configuration.iceServers
        if let turn = configuration.turn { servers += TURNCredentials.servers(turn, for: peer, time: time) }
        let seconds = max(1, (limits.heartbeat.nanoseconds + 999_999_999) / 1_000_000_000)
        return Welcome(
            session: RandomBytes.make(SignalingFrame.sessionByteCount),
            heartbeat: UInt16(clamping: seconds), iceServers: servers)
    }
}

/// Bytes from the system's generator.
enum RandomBytes {
    static func make(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes.prefix(count))
    }
}
