package import Logging
import NIOConcurrencyHelpers
package import NIOCore
import NIOPosix
package import Wire

/// A running signaling server.
///
/// Safety: immutable, but for what its lock guards.
package final class SignalingServer: Sendable {
    /// Counters, as `/metrics` shows them.
    package var metrics: Metrics { context.metrics }
    /// How many peers are logged in.
    package var peers: Int { context.router.count }
    /// The port of HTTP and WebSocket.
    package let port: UInt16
    /// Where HTTP and WebSocket listen, as bound.
    package let address: SocketAddress
    /// Where the STUN responder listens, as bound; nil when there is none.
    package let stunAddress: SocketAddress?
    /// Where the second STUN responder listens, as bound; nil when there is none.
    package let secondSTUNAddress: SocketAddress?

    private let context: ServerContext
    private let group: MultiThreadedEventLoopGroup
    private let listeners: [any Channel]
    /// One for each event loop.
    let connections: [NIOLoopBound<LoopConnections>]
    private let certificates: CertificateStore?
    /// The shutdown in progress, so that a second call waits for the first.
    private let shutdownTask = NIOLockedValueBox<Task<Void, Never>?>(nil)

    private init(
        _ parts: Parts, listeners: [any Channel], address: SocketAddress, stunAddresses: [SocketAddress]
    ) {
        context = parts.context
        group = parts.group
        connections = parts.connections
        certificates = parts.certificates
        self.listeners = listeners
        self.address = address
        stunAddress = stunAddresses.first
        secondSTUNAddress = stunAddresses.dropFirst().first
        port = UInt16(clamping: address.port ?? 0)
    }

    private struct Parts {
        let context: ServerContext
        let group: MultiThreadedEventLoopGroup
        let connections: [NIOLoopBound<LoopConnections>]
        let certificates: CertificateStore?
    }

    /// Starts a server. It serves when this returns.
    ///
    /// - Throws: `ServerError`.
    package static func start(
        _ configuration: ServerConfiguration, logger: Logger
    ) async throws(ServerError) -> SignalingServer {
        let certificates: CertificateStore?
        if let files = configuration.tls { certificates = try CertificateStore(files) } else { certificates = nil }
        let mailbox = try openMailbox(configuration, logger)
        let context = ServerContext(configuration, mailbox: mailbox, logger: logger)
        let group = MultiThreadedEventLoopGroup(
            numberOfThreads: configuration.threads ?? ServerConfiguration.defaultThreads)
        do {
            let parts = Parts(
                context: context, group: group, connections: try await makeConnections(group, context),
                certificates: certificates)
            return try await listen(parts)
        } catch {
            await context.closeMailbox()
            try? await group.shutdownGracefully()
            throw error as? ServerError ?? .listen(address: "\(configuration.listen)", reason: "\(error)")
        }
    }

    private static func makeConnections(
        _ group: MultiThreadedEventLoopGroup, _ context: ServerContext
    ) async throws -> [NIOLoopBound<LoopConnections>] {
        var all: [NIOLoopBound<LoopConnections>] = []
        let interval = sweepInterval(context.limits)
        let inboxes = group.makeIterator().map { Inbox($0) }
        for (number, eventLoop) in group.makeIterator().enumerated() {
            let bound = try await eventLoop.submit {
                let courier = Courier(inboxes, own: number, eventLoop: eventLoop, metrics: context.metrics)
                let connections = LoopConnections(number: number, courier: courier, eventLoop: eventLoop)
                connections.start(on: eventLoop, interval: interval, context: context)
                return NIOLoopBound(connections, eventLoop: eventLoop)
            }.get()
            all.append(bound)
        }
        return all
    }

    /// Often enough for the shortest of the limits.
    private static func sweepInterval(_ limits: ServerLimits) -> TimeAmount {
        let shortest = min(limits.authentication, limits.heartbeat, limits.closing, limits.signalWait, limits.stalled)
        return min(.seconds(1), max(.milliseconds(10), .nanoseconds(shortest.nanoseconds / 4)))
    }

    private static func listen(_ parts: Parts) async throws -> SignalingServer {
        let loops = Array(parts.group.makeIterator())
        let listener = Listener(
            context: parts.context, group: parts.group,
            connections: Dictionary(uniqueKeysWithValues: zip(loops.map { ObjectIdentifier($0) }, parts.connections)),
            certificates: parts.certificates)
        // STUN first, so that no client is welcomed without hearing of it.
        var listeners = try await listener.listenSTUN(parts.context.configuration)
        let stunAddresses = listeners.compactMap(\.localAddress)
        for address in stunAddresses { parts.context.addSTUNPort(UInt16(clamping: address.port ?? 0)) }
        let channel = try await listener.listen(on: parts.context.configuration.listen)
        listeners.append(channel)
        guard let address = channel.localAddress else {
            throw ServerError.listen(address: "\(parts.context.configuration.listen)", reason: "no local address")
        }
        let server = SignalingServer(parts, listeners: listeners, address: address, stunAddresses: stunAddresses)
        server.watchCertificates()
        parts.context.tidyMailbox(on: parts.group.next())
        return server
    }

    // MARK: Certificates

    /// Takes over the certificate files now, changed or not; without TLS nothing happens.
    package func reloadCertificates() {
        reloadCertificates(force: true)
    }

    private func reloadCertificates(force: Bool) {
        if certificates?.reload(force: force, logger: context.logger) == true { metrics.certificateReloads.add() }
    }

    private func watchCertificates() {
        guard certificates != nil else { return }
        let interval = context.configuration.certificateCheck
        group.next().scheduleRepeatedTask(initialDelay: interval, delay: interval) { [weak self] _ in
            self?.reloadCertificates(force: false)
        }
    }

    // MARK: URLs

    /// What clients may be told to dial: the configured names, else the address listened on, else every address of this
    /// machine, else the loopback.
    package var urls: [ServerURL] {
        var hosts = context.configuration.hosts
        if hosts.isEmpty, let bound = address.wireAddress {
            hosts = bound.isUnspecified ? Self.machine : [HostName(bound)]
        }
        return hosts.compactMap { try? ServerURL(isSecure: certificates != nil, host: $0, port: port) }
    }

    private static var machine: [HostName] {
        let addresses = ((try? System.enumerateDevices()) ?? []).compactMap { $0.address?.wireAddress }
        let usable = addresses.filter { !$0.isLoopback && !$0.isLinkLocal && $0.isUnicast }
        let chosen = usable.isEmpty ? [IPAddress.v4(127, 0, 0, 1)] : usable.filter { !$0.isV6 } + usable.filter(\.isV6)
        return chosen.map { HostName($0) }
    }

    // MARK: The end

    /// Says GOAWAY to every client, closes, and returns when everything is closed, at the latest after the configured time.
    /// Idempotent; every call returns only then.
    package func shutdown() async {
        let task = shutdownTask.withLockedValue { task in
            if let task { return task }
            let new = Task { await self.shutDown() }
            task = new
            return new
        }
        await task.value
    }

    private static func openMailbox(
        _ configuration: ServerConfiguration, _ logger: Logger
    ) throws(ServerError) -> (any Mailbox)? {
        guard let mailbox = configuration.mailbox else { return nil }
        do {
            return try SQLiteMailbox(mailbox, logger: logger)
        } catch {
            throw .mailbox(directory: mailbox.directory, reason: error)
        }
    }

    private func shutDown() async {
        for listener in listeners { try? await listener.close() }
        for loop in connections { loop.eventLoop.execute { loop.value.goAway() } }
        await waitForConnections(until: .now() + context.limits.shutdown)
        for loop in connections {
            try? await loop.eventLoop.submit {
                loop.value.closeAll()
                loop.value.stop()
            }.get()
        }
        // Answers still go to the event loops.
        await context.closeMailbox()
        try? await group.shutdownGracefully()
    }

    private func waitForConnections(until deadline: NIODeadline) async {
        let eventLoop = group.next()
        let done = eventLoop.makePromise(of: Void.self)
        let addresses = context.addresses
        eventLoop.scheduleRepeatedTask(initialDelay: .zero, delay: .milliseconds(10)) { task in
            guard addresses.total == 0 || NIODeadline.now() >= deadline else { return }
            task.cancel()
            done.succeed()
        }
        try? await done.futureResult.get()
    }
}
