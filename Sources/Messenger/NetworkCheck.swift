import Identity
package import Logging
package import NIOCore
import Peering
package import PortMapping
import SignalingClient
package import Wire

/// What `netcheck` found out about the network this device is in.
package struct NetworkReport: Sendable {
    /// How a NAT maps what leaves one port (RFC 4787 §4.1).
    package enum Mapping: String, Sendable {
        /// No NAT: the outside sees our own address.
        case none
        /// One outside port for all destinations: others can be told where to reach us.
        case endpointIndependent = "endpoint-independent"
        /// Another outside port for each destination ("symmetric"): direct paths are hard.
        case endpointDependent = "endpoint-dependent"
        /// There is a NAT, and only one server port answered, so its kind is not known.
        case unknown
    }

    /// From dialing the server to being logged in, in milliseconds.
    package var loginMilliseconds: Double
    /// A packet to ourselves through the relay, in milliseconds.
    package var relayMilliseconds: Double?
    /// Where the server answered, as far as IPv4 and IPv6 go.
    package var serverAddress: IPAddress?
    /// Our address and port as seen over IPv4; `nil` when no STUN answer came.
    package var mappedV4: Endpoint?
    /// Our address and port as seen over IPv6.
    package var mappedV6: Endpoint?
    package var mapping: Mapping?
    /// To the STUN server and back, in milliseconds.
    package var stunMilliseconds: Double?

    /// What the router answered when asked how it gives out ports; `nil` when it was not asked.
    package var router: GatewayReport?

    /// There was a STUN server to ask over IPv4.
    package var askedV4 = false
    /// There was a STUN server to ask over IPv6.
    package var askedV6 = false

    /// No STUN answer came at all; `nil` when there was nobody to ask.
    package var isUDPBlocked: Bool? { askedV4 || askedV6 ? mappedV4 == nil && mappedV6 == nil : nil }
}

/// Looks at the network from here: server, relay, STUN, the NAT in between.
package actor NetworkCheck {
    package nonisolated let loop: any EventLoop
    package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.executor.asUnownedSerialExecutor() }

    private static let loginTimeout: Int64 = 10_000
    private static let echoTimeout: Int64 = 3_000

    private let home: Home
    private let trust: TLSTrust
    private let logger: Logger
    private let portMapper: PortMapper?
    private var client: SignalingClient?
    private var waiting: CheckedContinuation<SignalingEvent?, Never>?
    private var arrived: [SignalingEvent] = []

    /// - Parameters:
    ///   - certificateFile: a PEM file with further certificates to believe for the server.
    ///   - asksRouter: whether the router is asked, too. See ``PortMapper/survey(found:)``.
    ///   - gatewayHelper: see ``MessengerOptions/gatewayHelper``.
    package init(
        home: Home, certificateFile: String?, asksRouter: Bool = true, gatewayHelper: HelperCommand? = nil,
        thread: EventThread, logger: Logger
    ) {
        self.home = home
        self.trust = certificateFile.map { .file($0) } ?? .system
        self.loop = thread.loop
        self.logger = logger
        portMapper = asksRouter ? PortMapper(helper: gatewayHelper) : nil
    }

    /// Runs the check; takes up to about five seconds where packets are lost, and some more with a router that is slow to answer.
    ///
    /// - Throws: ``HomeError``, or ``ServerUnavailable`` when the server cannot be reached or refuses us.
    package func run() async throws -> NetworkReport {
        let claim = try home.goOnline()
        defer { withExtendedLifetime(claim) {} }
        let started = NIODeadline.now()
        let (welcome, address) = try await login()
        defer { client?.stop() }
        defer { portMapper?.stop() }
        async let router = askRouter()
        var report = NetworkReport(loginMilliseconds: Self.milliseconds(since: started), serverAddress: address)
        report.relayMilliseconds = await echo()
        await askSTUN(await stunServers(welcome, dialed: address), &report)
        report.router = await router
        return report
    }

    private func login() async throws -> (Welcome, IPAddress?) {
        let client = SignalingClient(
            url: try ServerURL(home.book().server), peer: home.identity.peerID.key,
            sign: { [home] in home.identity.sign($0) }, eventLoop: loop, trust: trust, logger: logger,
            events: { [weak self] event in self?.assumeIsolated { $0.arrive(event) } })
        self.client = client
        client.start()
        while let event = await next(timeout: Self.loginTimeout) {
            switch event {
            case .connected(let welcome, _, let server): return (welcome, server?.address)
            case .disconnected(let reason, _):
                client.stop()
                throw ServerUnavailable(reason: DisplayText.harmless("\(reason)"))
            default: break
            }
        }
        client.stop()
        throw ServerUnavailable(reason: "the server does not answer")
    }

    /// Sends a packet to ourselves through the relay and waits for it.
    private func echo() async -> Double? {
        guard let key = try? PeerKey(home.identity.peerID.bytes) else { return nil }
        let started = NIODeadline.now()
        let packet: [UInt8] = Array("sotto netcheck".utf8)
        let isSent = packet.withUnsafeBytes {
            client?.sendRelay(to: key, segmentSize: packet.count, packets: $0) ?? false
        }
        guard isSent else { return nil }
        while let event = await next(timeout: Self.echoTimeout) {
            if case .relay(let from, _, _) = event, from == key { return Self.milliseconds(since: started) }
        }
        return nil
    }

    private func askRouter() async -> GatewayReport? {
        guard let portMapper else { return nil }
        return await withCheckedContinuation { answer in portMapper.survey { answer.resume(returning: $0) } }
    }

    /// The STUN servers named at login; where that is the signaling server itself, by each family of addresses that its name has.
    private func stunServers(_ welcome: Welcome, dialed: IPAddress?) async -> [Endpoint] {
        var known: [HostName: [IPAddress]] = [:]
        for name in ICEServers.names(in: welcome.iceServers) {
            for isV6 in [false, true] {
                if let address = await NameLookup.address(of: name.text, isV6: isV6) {
                    known[name, default: []].append(address)
                }
            }
        }
        let servers = ICEServers(welcome.iceServers, dialed: dialed, known: known).stun
        let own = welcome.iceServers.filter { $0.host == nil }
        guard let dialed, !own.isEmpty, let host = try? ServerURL(home.book().server).host, host.address == nil,
            let other = await NameLookup.address(of: host.text, isV6: !dialed.isV6)
        else { return servers }
        return servers + ICEServers(own, dialed: other).stun
    }

    private func askSTUN(_ servers: [Endpoint], _ report: inout NetworkReport) async {
        let (serversV4, serversV6) = (servers.filter { !$0.address.isV6 }, servers.filter(\.address.isV6))
        (report.askedV4, report.askedV6) = (!serversV4.isEmpty, !serversV6.isEmpty)
        async let answersV4 = STUNQuery.ask(serversV4, on: loop)
        async let answersV6 = STUNQuery.ask(serversV6, on: loop)
        let (v4, v6) = await (answersV4, answersV6)
        report.mappedV4 = v4.first?.mapped
        report.mappedV6 = v6.first?.mapped
        report.stunMilliseconds = (v4 + v6).map(\.roundTrip).min()
        report.mapping = Self.mapping(
            (v4.isEmpty ? v6 : v4).map(\.mapped), own: Self.ownAddresses())
    }

    /// What the answers to several servers from one port say about the NAT. Pure.
    static func mapping(_ mapped: [Endpoint], own: Set<IPAddress>) -> NetworkReport.Mapping? {
        guard let first = mapped.first else { return nil }
        if Set(mapped).count > 1 { return .endpointDependent }
        if own.contains(first.address) { return NetworkReport.Mapping.none }
        return mapped.count > 1 ? .endpointIndependent : .unknown
    }

    private static func ownAddresses() -> Set<IPAddress> {
        let devices = (try? System.enumerateDevices()) ?? []
        return Set(devices.compactMap { device in device.address?.ipAddress.flatMap { try? IPAddress($0) } })
    }

    // MARK: Events

    private func arrive(_ event: SignalingEvent) {
        if let waiting {
            self.waiting = nil
            waiting.resume(returning: event)
        } else if arrived.count < 64 {
            arrived.append(event)
        }
    }

    private func next(timeout: Int64) async -> SignalingEvent? {
        if !arrived.isEmpty { return arrived.removeFirst() }
        let timer = loop.scheduleTask(in: .milliseconds(timeout)) {
            self.assumeIsolated { check in
                check.waiting?.resume(returning: nil)
                check.waiting = nil
            }
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { waiting = $0 }
    }

    private static func milliseconds(since start: NIODeadline) -> Double {
        Double((NIODeadline.now() - start).nanoseconds) / 1_000_000
    }
}

/// The server cannot be reached, or does not want us.
package struct ServerUnavailable: Error {
    /// Why, in words.
    package let reason: String
}
