import Glibc
import NIOCore
import NIOPosix
import TestTools
import Testing
import Wire

@testable import SignalingServer

/// What is written past the channel.
@Suite struct DirectSocketTests {
    /// Runs something once on the server's end of a connection.
    private final class Server: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let done = EventLog<Void>()
        private let body: @Sendable (ChannelHandlerContext) -> EventLoopFuture<Void>

        init(_ body: @escaping @Sendable (ChannelHandlerContext) -> EventLoopFuture<Void>) { self.body = body }

        func channelActive(context: ChannelHandlerContext) {
            let channel = context.channel
            body(context).whenComplete { [done] _ in
                done.append(())
                channel.close(promise: nil)
            }
        }
    }

    /// What a client gets from a server that does `body` and closes when that is complete.
    private static func received(
        _ body: @escaping @Sendable (ChannelHandlerContext) -> EventLoopFuture<Void>
    ) async throws -> [UInt8] {
        let server = Server(body)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.socketOption(.so_sndbuf), value: 16 * 1024)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(server) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let client = try await RawConnection.connect(try #require(listener.localAddress), receiveBuffer: 8192)
        let bytes = try await client.readToEnd()
        try await server.done.next("the end of what the server does") { $0 }
        try await listener.close()
        return bytes
    }

    @Test func whatFitsIsWrittenAtOnce() async throws {
        let outcomes = EventLog<Bool>()
        let bytes = try await Self.received { context in
            var direct = DirectSocket(context.pipeline)
            var frame = ByteBuffer(string: "frame")
            outcomes.append(direct?.write(&frame, context) == true && frame.readableBytes == 0)
            return context.eventLoop.makeSucceededVoidFuture()
        }
        #expect(bytes == Array("frame".utf8))
        #expect(outcomes.all == [true])
    }

    @Test func nothingGoesPastWhatWaitsInTheChannel() async throws {
        let outcomes = EventLog<Bool>()
        let bytes = try await Self.received { context in
            var direct = DirectSocket(context.pipeline)
            var (first, second) = (ByteBuffer(string: "1"), ByteBuffer(string: "2"))
            outcomes.append(direct?.write(&first, context) == true)
            context.write(NIOAny(ByteBuffer(string: "waits")), promise: nil)
            direct?.useChannel()
            outcomes.append(direct?.write(&second, context) == false && second.readableBytes == 1)
            context.flush()
            outcomes.append(direct?.write(&second, context) == true)
            return context.eventLoop.makeSucceededVoidFuture()
        }
        #expect(bytes == Array("1waits2".utf8))
        #expect(outcomes.all == [true, true, true])
    }

    @Test func whatTheSocketDoesNotTakeIsLeftToTheChannel() async throws {
        let outcomes = EventLog<Bool>()
        let large = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
        let bytes = try await Self.received { context in
            var direct = DirectSocket(context.pipeline)
            var (frame, next) = (ByteBuffer(bytes: large), ByteBuffer(string: "next"))
            outcomes.append(direct?.write(&frame, context) == false)
            outcomes.append((1..<large.count).contains(frame.readableBytes))
            context.writeAndFlush(NIOAny(frame), promise: nil)
            direct?.useChannel()
            outcomes.append(direct?.write(&next, context) == false)
            let written = context.eventLoop.makePromise(of: Void.self)
            context.writeAndFlush(NIOAny(next), promise: written)
            return written.futureResult
        }
        #expect(bytes == large + Array("next".utf8))
        #expect(outcomes.all == [true, true, true])
    }

    /// The channel finds the same error when it writes, and closes.
    @Test func aBrokenConnectionIsLeftToTheChannel() async throws {
        let outcomes = EventLog<Bool>()
        let bytes = try await Self.received { context in
            var direct = DirectSocket(context.pipeline)
            let cut = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable { (socket: CInt) in
                shutdown(socket, CInt(SHUT_WR))
            }
            var frame = ByteBuffer(string: "frame")
            outcomes.append(cut == 0 && direct?.write(&frame, context) == false && frame.readableBytes == 5)
            context.writeAndFlush(NIOAny(frame), promise: nil)
            outcomes.append(!context.channel.isActive)
            return context.eventLoop.makeSucceededVoidFuture()
        }
        #expect(bytes.isEmpty)
        #expect(outcomes.all == [true, true])
    }

    /// Frames of others go straight to the socket, answers through the channel; here both wait for a client that does not read.
    @Test func framesOfBothWaysStayWholeAndInTheirOrder() async throws {
        try await withServer {
            $0.limits.signals = RateLimit(rate: 1e6, burst: 1e6)
            $0.limits.signalQueueFrames = 1_000
        } _: { server in
            let (bob, key) = try await RawConnection.loggedIn(server, receiveBuffer: 8192)
            try await bob.setReading(false)
            let (alice, from) = try await RawConnection.loggedIn(server)
            let count = 200
            func payload(_ number: Int) -> [UInt8] {
                [UInt8(number)] + Array(repeating: UInt8(number), count: number % 3 == 0 ? 10 : 12_000)
            }
            let sending = Task {
                for number in 0..<count { try await alice.send(.signal(peer: key, payload: payload(number))) }
            }
            let asking = Task { for number in 0..<count { try await bob.send(9, [UInt8(number)]) } }
            try await eventually("all are queued") { server.metrics.value("signal_frames_total") == UInt64(count) }
            try await asking.value
            try await bob.setReading(true)
            var (signals, pongs) = (0, -1)
            while signals < count {
                let frame = try await bob.readFrame()
                if frame.opcode == 10 {
                    #expect(frame.payload.count == 1 && Int(frame.payload[0]) > pongs)
                    pongs = Int(frame.payload.first ?? 0)
                } else {
                    #expect(frame.signaling == .signal(peer: from, payload: payload(signals)))
                    signals += 1
                }
            }
            try await sending.value
        }
    }
}
