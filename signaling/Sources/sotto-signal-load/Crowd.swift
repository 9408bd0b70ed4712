import Identity
import NIOCore
import NIOPosix
import NIOSSL
import Noise
import Wire

/// All connections of the generator.
final class Crowd: Sendable {
    private struct Member: Sendable {
        let channel: any Channel
        let client: NIOLoopBound<LoadClient>
    }

    private let options: LoadOptions
    private let url: ServerURL
    private let group: MultiThreadedEventLoopGroup
    private let tallies: [ObjectIdentifier: NIOLoopBound<Tally>]
    private let plan: LoadPlan
    private let identities: [Identity]
    private let members: [Member]

    /// Logs everybody in.
    ///
    /// - Throws: `LoadError`.
    static func gather(_ options: LoadOptions) async throws -> Crowd {
        let url = try options.server()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
        let master = try Identity(
            seed: .init(count: Identity.seedByteCount) { seed in
                for (index, byte) in options.seed.utf8.enumerated() {
                    seed[index % seed.count] ^= byte &+ UInt8(index & 0x7F)
                }
            })
        let identities = try (0..<options.connections).map { try Identity(seed: master.deriveKey(label: "\($0)")) }
        let template =
            options.mode == .relay
            ? FrameTemplate(packets: options.packets, of: options.packetBytes)
            : FrameTemplate(signalBytes: options.signalBytes)
        let plan = LoadPlan(
            mode: options.mode, template: template, receivers: identities.map { MaskedPeer($0.peerID.key) })
        var tallies: [ObjectIdentifier: NIOLoopBound<Tally>] = [:]
        for loop in group.makeIterator() {
            tallies[ObjectIdentifier(loop)] = try await loop.submit { NIOLoopBound(Tally(), eventLoop: loop) }.get()
        }
        let entrance = try Entrance(options: options, url: url, group: group, tallies: tallies, plan: plan)
        var members: [Member] = []
        members.reserveCapacity(identities.count)
        // As many at once as asked for, in the order of their numbers.
        try await withThrowingTaskGroup(of: (Int, Member).self) { tasks in
            var arrived: [Int: Member] = [:]
            for (index, identity) in identities.enumerated() {
                if index >= options.loginsAtOnce, let (number, member) = try await tasks.next() {
                    arrived[number] = member
                }
                tasks.addTask { (index, try await entrance.logIn(index, identity)) }
            }
            for try await (number, member) in tasks { arrived[number] = member }
            members = (0..<identities.count).compactMap { arrived[$0] }
        }
        return Crowd(
            options: options, url: url, group: group, tallies: tallies, plan: plan, identities: identities,
            members: members)
    }

    private init(
        options: LoadOptions, url: ServerURL, group: MultiThreadedEventLoopGroup,
        tallies: [ObjectIdentifier: NIOLoopBound<Tally>], plan: LoadPlan, identities: [Identity], members: [Member]
    ) {
        self.options = options
        self.url = url
        self.group = group
        self.tallies = tallies
        self.plan = plan
        self.identities = identities
        self.members = members
    }

    /// The first frames leave.
    func begin() {
        guard options.mode != .idle else { return }
        for (index, member) in members.enumerated() {
            let share = options.frames / members.count + (index < options.frames % members.count ? 1 : 0)
            let count = options.mode == .relay ? options.frames : share
            guard count > 0 else { continue }
            member.channel.eventLoop.execute { member.client.value.begin(count) }
        }
    }

    /// What has been seen since the last call.
    func collect() async throws -> Tally.Counts {
        var sum = Tally.Counts()
        for tally in tallies.values {
            let counts = try await tally.eventLoop.submit {
                defer { tally.value.counts = Tally.Counts() }
                return tally.value.counts
            }.get()
            sum.add(counts)
        }
        return sum
    }

    /// Ends all connections.
    func leave() async throws { try await group.shutdownGracefully() }
}

extension Crowd {
    /// How one of them comes in.
    private struct Entrance: Sendable {
        let options: LoadOptions
        let url: ServerURL
        let group: MultiThreadedEventLoopGroup
        let tallies: [ObjectIdentifier: NIOLoopBound<Tally>]
        let plan: LoadPlan
        let address: SocketAddress
        let tls: NIOSSLContext?

        init(
            options: LoadOptions, url: ServerURL, group: MultiThreadedEventLoopGroup,
            tallies: [ObjectIdentifier: NIOLoopBound<Tally>], plan: LoadPlan
        ) throws {
            (self.options, self.url, self.group, self.tallies, self.plan) = (options, url, group, tallies, plan)
            guard let address = try? SocketAddress.makeAddressResolvingHost(url.host.text, port: Int(url.port)) else {
                throw LoadError.address(url.host.text)
            }
            self.address = address
            tls = try url.isSecure ? Self.context(options.ca) : nil
        }

        private static func context(_ ca: String?) throws(LoadError) -> NIOSSLContext {
            var configuration = TLSConfiguration.makeClientConfiguration()
            if let ca { configuration.trustRoots = .file(ca) }
            do { return try NIOSSLContext(configuration: configuration) } catch { throw .certificates("\(error)") }
        }

        /// The source address of a connection; nil for the system's choice.
        private func source(_ index: Int) -> SocketAddress? {
            guard options.perAddress > 0, address.protocol == .inet else { return nil }
            let number = index / options.perAddress + 1
            return try? SocketAddress(
                ipAddress: "127.\(1 + number / 65_536).\(number / 256 % 256).\(number % 256)", port: 0)
        }

        func logIn(_ index: Int, _ identity: Identity) async throws -> Member {
            let loop = group.next()
            guard let tally = tallies[ObjectIdentifier(loop)] else { throw LoadError.address(url.host.text) }
            let online = loop.makePromise(of: Void.self)
            let timeout = loop.scheduleTask(in: .seconds(30)) {
                online.fail(LoadError.login(connection: index, reason: "nothing happened"))
            }
            defer { timeout.cancel() }
            let client = try await loop.submit {
                let client = LoadClient(
                    index: index, identity: identity, host: url.host, plan: plan, tally: tally.value, online: online)
                return NIOLoopBound(client, eventLoop: loop)
            }.get()
            do {
                let channel = try await connect(loop, client, source(index)).get()
                try await online.futureResult.get()
                return Member(channel: channel, client: client)
            } catch {
                online.fail(error)
                throw error as? LoadError ?? LoadError.login(connection: index, reason: "\(error)")
            }
        }

        private func connect(
            _ loop: any EventLoop, _ client: NIOLoopBound<LoadClient>, _ source: SocketAddress?
        ) -> EventLoopFuture<any Channel> {
            var bootstrap = ClientBootstrap(group: loop)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let tls {
                            let name = url.host.address == nil ? url.host.text : nil
                            try channel.pipeline.syncOperations.addHandler(
                                NIOSSLClientHandler(context: tls, serverHostname: name))
                        }
                        try channel.pipeline.syncOperations.addHandler(client.value)
                    }
                }
            if let source { bootstrap = bootstrap.bind(to: source) }
            return bootstrap.connect(to: address)
        }
    }
}
