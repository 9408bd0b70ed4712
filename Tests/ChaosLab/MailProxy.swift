import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// Stands between the clients and the server, and repeats and reorders mail on its way. It is a program of its own, because it has to run in the server's network.
package enum MailProxy {
    package struct Options: Sendable {
        package var listen: (host: String, port: Int)
        package var server: (host: String, port: Int)
        package var seed: UInt64
        package var repeats: Double
        package var swaps: Double
        package var doubles: Double

        package init(
            listen: (host: String, port: Int), server: (host: String, port: Int), seed: UInt64, repeats: Double,
            swaps: Double, doubles: Double
        ) {
            self.listen = listen
            self.server = server
            self.seed = seed
            self.repeats = repeats
            self.swaps = swaps
            self.doubles = doubles
        }
    }

    /// What it has done, in both directions.
    package struct Counts: Sendable, Codable {
        package var toClients = FrameShuffler.Counts()
        package var toServer = FrameShuffler.Counts()

        package init() {}
    }

    /// Runs until standard input ends; then says what it has done and returns.
    package static func run(_ options: Options) throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let tally = Tally()
        let connections = NIOLockedValueBox<UInt64>(0)
        let listener = try ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { client in
                let number = connections.withLockedValue { count in
                    count += 1
                    return count
                }
                return client.eventLoop.makeCompletedFuture { try add(to: client, number, options, tally) }
            }
            .bind(host: options.listen.host, port: options.listen.port).wait()
        say("ready \(options.listen.host):\(options.listen.port)")
        while readLine() != nil {}
        try listener.close().wait()
        say(String(decoding: try JSONEncoder().encode(tally.counts), as: UTF8.self))
    }

    private static func say(_ line: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
    }

    /// Nothing is read from the client before there is a connection to the server.
    private static func add(
        to client: any Channel, _ number: UInt64, _ options: Options, _ tally: Tally
    ) throws {
        let seed = options.seed &+ number &* 2
        let up = FrameShuffler(
            mailType: 0x11, repeats: options.doubles, swaps: 0, random: SeededRandom(seed: seed, purpose: "to server"))
        let near = ProxyEnd(shuffler: up, isTowardsServer: true, tally) { near in
            ClientBootstrap(group: client.eventLoop)
                .channelOption(.autoRead, value: false)
                .connectTimeout(.seconds(2))
                .connect(host: options.server.host, port: options.server.port)
                .flatMapThrowing { server in
                    let down = FrameShuffler(
                        mailType: 0x14, repeats: options.repeats, swaps: options.swaps,
                        random: SeededRandom(seed: seed, purpose: "to client"))
                    let far = ProxyEnd(shuffler: down, isTowardsServer: false, tally)
                    try server.pipeline.syncOperations.addHandler(far)
                    ProxyEnd.join(near.value, far)
                }
                .whenFailure { _ in client.close(promise: nil) }
        }
        try client.pipeline.syncOperations.addHandler(near)
    }
}

/// What all connections have done together.
private final class Tally: Sendable {
    private let sums = NIOLockedValueBox(MailProxy.Counts())

    var counts: MailProxy.Counts { sums.withLockedValue { $0 } }

    func add(_ difference: FrameShuffler.Counts, isTowardsServer: Bool) {
        sums.withLockedValue { sums in
            if isTowardsServer {
                sums.toServer = sums.toServer + difference
            } else {
                sums.toClients = sums.toClients + difference
            }
        }
    }
}

/// One end of a connection through the proxy: passes on what it reads to the other end, as fast as that takes it.
private final class ProxyEnd: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A frame does not wait longer for another to change places with.
    private static let patience = TimeAmount.milliseconds(150)

    private var shuffler: FrameShuffler
    private let isTowardsServer: Bool
    private let tally: Tally
    private var told = FrameShuffler.Counts()
    private var other: ProxyEnd?
    private var context: ChannelHandlerContext?
    private var wantsRead = false
    private var connect: ((NIOLoopBound<ProxyEnd>) -> Void)?
    private var release: Scheduled<Void>?

    /// - Parameter connect: makes the other end, once this one is there.
    init(
        shuffler: FrameShuffler, isTowardsServer: Bool, _ tally: Tally,
        connect: ((NIOLoopBound<ProxyEnd>) -> Void)? = nil
    ) {
        self.connect = connect
        self.shuffler = shuffler
        self.isTowardsServer = isTowardsServer
        self.tally = tally
    }

    static func join(_ one: ProxyEnd, _ other: ProxyEnd) {
        one.other = other
        other.other = one
        for end in [one, other] {
            end.context?.channel.setOption(.autoRead, value: true).whenComplete { _ in }
            end.context?.read()
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        connect?(NIOLoopBound(self, eventLoop: context.eventLoop))
        connect = nil
        context.fireChannelActive()
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        release?.cancel()
        other = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).readableBytesView)
        other?.write(shuffler.feed(bytes))
        var difference = shuffler.counts
        difference.mails -= told.mails
        difference.repeats -= told.repeats
        difference.swaps -= told.swaps
        told = shuffler.counts
        if difference != FrameShuffler.Counts() { tally.add(difference, isTowardsServer: isTowardsServer) }
        if shuffler.isHolding, release == nil {
            release = context.eventLoop.assumeIsolated().scheduleTask(in: Self.patience) { self.letGo() }
        }
    }

    private func letGo() {
        release = nil
        other?.write(shuffler.release())
        other?.context?.flush()
    }

    private func write(_ bytes: [UInt8]) {
        guard let context, !bytes.isEmpty else { return }
        context.write(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) { other?.context?.flush() }

    func channelInactive(context: ChannelHandlerContext) {
        other?.context?.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func read(context: ChannelHandlerContext) {
        if other?.context?.channel.isWritable ?? true { context.read() } else { wantsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, let other, other.wantsRead else { return }
        other.wantsRead = false
        other.context?.read()
    }
}
