import CSodium
import NIOCore
import NIOPosix
import Wire

/// Asks STUN servers from one UDP port what they see of it. Owned by one event loop.
final class STUNQuery: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    /// What one server answered.
    struct Answer: Sendable {
        let server: Endpoint
        /// Where our packets seem to come from.
        let mapped: Endpoint
        /// In milliseconds.
        let roundTrip: Double
    }

    private struct Pending {
        let server: Endpoint
        let sentAt: NIODeadline
        let promise: EventLoopPromise<Answer?>
    }

    /// Requests go out at these times, in milliseconds, until an answer comes.
    private static let sendTimes: [Int64] = [0, 200, 600]
    private static let giveUp: Int64 = 1_500

    private var pending: [[UInt8]: Pending] = [:]

    /// Opens a port of the family of `servers` and asks each of them; those that do not answer in time are missing in the result.
    static func ask(_ servers: [Endpoint], on loop: any EventLoop) async -> [Answer] {
        guard let first = servers.first else { return [] }
        let wildcard = first.address.isV6 ? "::" : "0.0.0.0"
        let channel: any Channel
        do {
            channel = try await DatagramBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(STUNQuery())
                    }
                }
                .bind(host: wildcard, port: 0).get()
        } catch {
            return []
        }
        let futures = try? await channel.eventLoop.submit { () -> [EventLoopFuture<Answer?>] in
            let query = try channel.pipeline.syncOperations.handler(type: STUNQuery.self)
            return servers.map { query.ask($0, on: channel) }
        }.get()
        var answers: [Answer] = []
        for future in futures ?? [] {
            if let answer = try? await future.get() { answers.append(answer) }
        }
        try? await channel.close()
        return answers
    }

    private func ask(_ server: Endpoint, on channel: any Channel) -> EventLoopFuture<Answer?> {
        let promise = channel.eventLoop.makePromise(of: Answer?.self)
        var transaction = [UInt8](repeating: 0, count: 12)
        randombytes_buf(&transaction, transaction.count)
        guard let request = try? STUN.bindingRequest(transactionID: transaction),
            let address = try? SocketAddress(ipAddress: server.address.description, port: Int(server.port))
        else {
            promise.succeed(nil)
            return promise.futureResult
        }
        pending[transaction] = Pending(server: server, sentAt: .now(), promise: promise)
        let loop = channel.eventLoop.assumeIsolated()
        for time in Self.sendTimes {
            loop.scheduleTask(in: .milliseconds(time)) { [self] in
                guard pending[transaction] != nil else { return }
                channel.writeAndFlush(
                    AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: request)), promise: nil)
            }
        }
        loop.scheduleTask(in: .milliseconds(Self.giveUp)) { [self] in
            pending.removeValue(forKey: transaction)?.promise.succeed(nil)
        }
        return promise.futureResult
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let datagram = Array(unwrapInboundIn(data).data.readableBytesView)
        // RFC 8489 §5: type, length, cookie, then twelve bytes of transaction id.
        guard datagram.count >= STUN.headerByteCount else { return }
        let transaction = Array(datagram[8..<20])
        guard let waiting = pending[transaction],
            case .mapped(let mapped)? = try? STUNBindingResponse(datagram, transactionID: transaction)
        else { return }
        pending[transaction] = nil
        let elapsed = Double((NIODeadline.now() - waiting.sentAt).nanoseconds) / 1_000_000
        waiting.promise.succeed(Answer(server: waiting.server, mapped: mapped, roundTrip: elapsed))
    }
}
