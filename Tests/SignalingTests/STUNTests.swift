import NIOCore
import NIOPosix
import SignalingServer
import TestTools
import Testing
import Wire

@Suite struct STUNTests {
    private static let id = Array(UInt8(1)...12)

    /// A request in its classic form: 16 bytes of transaction id instead of cookie and id.
    private static let classic: [UInt8] = [0, 1, 0, 0] + Array(UInt8(101)...116)

    private func exchange(
        _ address: IPAddress,
        _ body: (any Channel, EventLog<[UInt8]>, SignalingServer, SocketAddress) async throws -> Void
    ) async throws {
        var configuration = ServerConfiguration.loopback(address)
        configuration.limits.stun = RateLimit(rate: 0.001, burst: 20)
        let server = try await SignalingServer.start(configuration, logger: quiet)
        let answers = EventLog<[UInt8]>()
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramCollector(answers))
                }
            }
            .bind(to: try SocketAddress(ipAddress: address.description, port: 0)).get()
        try await body(channel, answers, server, try #require(server.stunAddress))
        try await channel.close()
        await server.shutdown()
    }

    private static let loopbacks: [IPAddress] = [.v4(127, 0, 0, 1), .v6(0, 0, 0, 0, 0, 0, 0, 1)]

    @Test(arguments: loopbacks)
    func answersModernRequests(address: IPAddress) async throws {
        try await exchange(address) { channel, answers, _, server in
            let request = try STUN.bindingRequest(transactionID: Self.id)
            try await channel.send(request, to: server)
            let answer = try await answers.next("answer") { $0 }
            let port = UInt16(try #require(channel.localAddress?.port))
            #expect(
                try STUNBindingResponse(answer, transactionID: Self.id)
                    == .mapped(Endpoint(address: address, port: port)))
            #expect(answer.count <= (address.isV6 ? 44 : 32))
        }
    }

    @Test(arguments: loopbacks)
    func answersClassicRequests(address: IPAddress) async throws {
        try await exchange(address) { channel, answers, _, server in
            try await channel.send(Self.classic, to: server)
            let answer = try await answers.next("answer") { $0 }
            #expect(answer.prefix(2) == [1, 1] && Array(answer[4..<20]) == Array(Self.classic[4...]))
            let port = try #require(channel.localAddress?.port)
            // MAPPED-ADDRESS: type, length, zero, family, port, address.
            let value = [0, address.isV6 ? 2 : 1, UInt8(port >> 8), UInt8(port & 0xFF)] + address.bytes
            #expect(Array(answer[20...]) == [0, 1, 0, UInt8(value.count)] + value)
        }
    }

    @Test func tellsIPv4ClientsTheirIPv4AddressOnASocketForBoth() async throws {
        var configuration = ServerConfiguration.loopback()
        configuration.stun = ListenAddress(host: HostName(.v6(0, 0, 0, 0, 0, 0, 0, 0)), port: 0)
        let server = try await SignalingServer.start(configuration, logger: quiet)
        let answers = EventLog<[UInt8]>()
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramCollector(answers))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.stunAddress?.port)
        try await channel.send(
            STUN.bindingRequest(transactionID: Self.id), to: SocketAddress(ipAddress: "127.0.0.1", port: port))
        let answer = try await answers.next("answer") { $0 }
        guard case .mapped(let endpoint) = try STUNBindingResponse(answer, transactionID: Self.id) else {
            throw Unmet(description: "refused")
        }
        #expect(endpoint.address == .v4(127, 0, 0, 1) && Int(endpoint.port) == channel.localAddress?.port)
        try await channel.close()
        await server.shutdown()
    }

    @Test func refusesAttributesThatItDoesNotKnow() async throws {
        try await exchange(.v4(127, 0, 0, 1)) { channel, answers, _, server in
            var request = try STUN.bindingRequest(transactionID: Self.id)
            request[3] = 4
            request += [0x7F, 0x00, 0, 0]
            try await channel.send(request, to: server)
            let answer = try await answers.next("answer") { $0 }
            #expect(try STUNBindingResponse(answer, transactionID: Self.id) == .refused(code: 420))
        }
    }

    @Test func keepsSilentAboutEverythingElse() async throws {
        try await exchange(.v4(127, 0, 0, 1)) { channel, answers, server, address in
            let request = try STUN.bindingRequest(transactionID: Self.id)
            for length in 1..<10 { try await channel.send(Array(request[..<length]), to: address) }
            try await channel.send([1, 1] + request.dropFirst(2), to: address)
            try await channel.send(Array(repeating: 0xFF, count: 1400), to: address)
            try await eventually("dropped") { server.metrics.value("stun_dropped_total") == 11 }
            try await channel.send(request, to: address)
            #expect(try await answers.next("answer") { $0 }.prefix(2) == [1, 1])
            #expect(answers.all.count == 1)
        }
    }

    @Test func answersOneAddressOnlySoOften() async throws {
        try await exchange(.v4(127, 0, 0, 1)) { channel, answers, server, address in
            let request = try STUN.bindingRequest(transactionID: Self.id)
            for _ in 0..<40 { try await channel.send(request, to: address) }
            try await eventually("all seen") {
                (server.metrics.value("stun_requests_total") ?? 0) + (server.metrics.value("stun_dropped_total") ?? 0)
                    == 40
            }
            #expect(server.metrics.value("stun_requests_total") == 20)
        }
    }
}

private final class DatagramCollector: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let datagrams: EventLog<[UInt8]>

    init(_ datagrams: EventLog<[UInt8]>) { self.datagrams = datagrams }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        datagrams.append(Array(unwrapInboundIn(data).data.readableBytesView))
    }
}

extension Channel {
    fileprivate func send(_ bytes: [UInt8], to address: SocketAddress) async throws {
        try await writeAndFlush(AddressedEnvelope(remoteAddress: address, data: ByteBuffer(bytes: bytes)))
    }
}
