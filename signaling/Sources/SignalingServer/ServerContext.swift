import Logging
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
    /// The port of the STUN responder once it is known; 0 when there is none.
    private let stunPort = Atomic<UInt16>(0)

    init(_ configuration: ServerConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        router = LocalRouter()
        metrics = Metrics()
        addresses = AddressLimits(configuration.limits)
        hosts = OwnHosts(configuration.hosts)
    }

    var limits: ServerLimits { configuration.limits }

    /// The STUN responder has its port.
    func setSTUNPort(_ port: UInt16) {
        stunPort.store(port, ordering: .releasing)
    }

    /// What WELCOME tells `peer`.
    ///
    /// - Parameter time: seconds since 1970.
    func welcome(for peer: PeerKey, time: Int64) -> Welcome {
        var servers: [ICEServer] = []
        let port = stunPort.load(ordering: .acquiring)
        if port != 0 { servers.append(ICEServer(kind: .stun, port: port)) }
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
