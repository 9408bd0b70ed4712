import Noise
import Paths
import Testing

@testable import SecureTransport

@Suite struct StreamTests {
    func connected(
        seed: UInt64 = 1, relay: Link = Link(), _ configure: (inout SessionConfiguration) -> Void = { _ in }
    ) throws -> (VirtualNetwork, TestEnd) {
        var configuration = SessionConfiguration()
        configure(&configuration)
        let network = try VirtualNetwork(seed: seed, client: configuration, server: configuration, relay: relay)
        try #require(network.connect())
        return (network, try #require(network.server))
    }

    @Test(arguments: [true, false], [0, 1, 1000, 100_000]) func carriesBytesToTheEnd(fromCaller: Bool, count: Int)
        throws
    {
        let (network, server) = try connected()
        let (sender, receiver) = fromCaller ? (network.client, server) : (server, network.client)
        let stream = try sender.session.openStream()
        #expect(stream.rawValue == (fromCaller ? 0 : 1))
        sender.send(pattern(count), on: stream, finish: true)
        #expect(network.run { receiver.finished.contains(stream) })
        #expect(receiver.received[stream, default: []] == pattern(count))
        #expect(receiver.contains(.streamOpened(stream)))
        receiver.send(pattern(count, seed: 9), on: stream, finish: true)
        #expect(network.run { sender.finished.contains(stream) })
        #expect(sender.received[stream, default: []] == pattern(count, seed: 9))
    }

    @Test func aSlowReaderHoldsTheWriterBackAndLosesNothing() throws {
        let (network, server) = try connected {
            $0.initialStreamWindow = 64 << 10
            $0.maximumStreamWindow = 64 << 10
            $0.streamSendBuffer = 100_000
            $0.maximumStreamSendBuffer = 100_000
        }
        server.readsAtOnce = false
        let stream = try network.client.session.openStream()
        network.client.send(pattern(1_000_000), on: stream, finish: true)
        network.run(for: .seconds(3))
        #expect(server.session.readableBytes(of: stream) == 64 << 10)
        #expect(network.client.session.writableBytes(of: stream) == 0)
        var rounds = 0
        while server.receivedCount[stream, default: 0] < 1_000_000, rounds < 1000 {
            server.read(stream, maxLength: 10_000)
            network.run(for: .milliseconds(30))
            #expect(server.session.readableBytes(of: stream) <= 64 << 10)
            rounds += 1
        }
        #expect(network.run { server.finished.contains(stream) })
        #expect(server.received[stream] == pattern(1_000_000))
        #expect(server.events.filter { $0 == .streamFinished(stream) }.count == 1)
    }

    @Test func anUnreadStreamDoesNotHoldTheOthersBack() throws {
        let (network, server) = try connected { $0.initialStreamWindow = 32 << 10 }
        server.readsAtOnce = false
        let stuck = try network.client.session.openStream()
        network.client.send(pattern(500_000), on: stuck)
        network.run(for: .seconds(1))
        server.readsAtOnce = true
        let free = try network.client.session.openStream()
        network.client.send(pattern(200_000), on: free, finish: true)
        #expect(network.run { server.finished.contains(free) })
        #expect(server.received[stuck] == nil)
    }

    @Test func aHundredStreamsShareTheSession() throws {
        let (network, server) = try connected(relay: Link(loss: 0.02)) { $0.maximumRemoteStreams = 50 }
        var streams: [StreamID] = []
        for index in 0..<100 {
            let sender = index % 2 == 0 ? network.client : server
            let stream = try sender.session.openStream()
            sender.send(pattern(20_000 + index, seed: UInt8(index)), on: stream, finish: true)
            streams.append(stream)
        }
        #expect(
            network.run {
                zip(streams, 0...).allSatisfy { stream, index in
                    (index % 2 == 0 ? server : network.client).finished.contains(stream)
                }
            })
        for (index, stream) in streams.enumerated() {
            let receiver = index % 2 == 0 ? server : network.client
            #expect(receiver.received[stream] == pattern(20_000 + index, seed: UInt8(index)))
        }
    }

    @Test func theNumberOfOpenStreamsIsLimitedAndRenewed() throws {
        let (network, server) = try connected { $0.maximumRemoteStreams = 4 }
        var streams: [StreamID] = []
        for _ in 0..<4 { streams.append(try network.client.session.openStream()) }
        #expect(throws: TransportError.streamLimit) {
            try network.client.session.openStream()
        }
        for round in 0..<50 {
            let stream = streams.removeFirst()
            network.client.send([UInt8(round)], on: stream, finish: true)
            #expect(network.run { server.finished.contains(stream) })
            #expect(throws: TransportError.streamLimit) { try network.client.session.openStream() }
            server.send([], on: stream, finish: true)
            #expect(
                network.run(for: .seconds(2)) {
                    guard let next = try? network.client.session.openStream() else { return false }
                    streams.append(next)
                    return true
                })
        }
        #expect(network.client.contains(.streamsAvailable))
        #expect(server.session.connection.streams.count <= 4)
    }

    @Test func aResetReachesTheReader() throws {
        let (network, server) = try connected()
        server.readsAtOnce = false
        let stream = try network.client.session.openStream()
        network.client.send(pattern(10_000), on: stream)
        network.run { server.session.readableBytes(of: stream) == 10_000 }
        try network.client.session.reset(stream, code: 77)
        try network.client.session.reset(stream, code: 78)
        #expect(network.run { server.contains(.streamReset(stream, code: 77)) })
        #expect(server.session.readableBytes(of: stream) == 0)
        #expect(throws: TransportError.streamNotWritable) { try network.client.session.write([1], to: stream) }
        server.send([1, 2, 3], on: stream, finish: true)
        #expect(network.run { network.client.finished.contains(stream) })
        #expect(network.client.received[stream] == [1, 2, 3])
    }

    @Test func stoppingReachesTheWriter() throws {
        let (network, server) = try connected { $0.initialStreamWindow = 32 << 10 }
        server.readsAtOnce = false
        let stream = try network.client.session.openStream()
        network.client.send(pattern(1_000_000), on: stream)
        network.run(for: .seconds(1))
        try server.session.stopSending(stream, code: 5)
        #expect(
            network.run {
                network.client.events.contains { if case .streamStopped(stream, _) = $0 { true } else { false } }
            })
        #expect(throws: TransportError.streamNotWritable) { try network.client.session.write([1], to: stream) }
        #expect(network.client.session.isEstablished)
        let other = try network.client.session.openStream()
        server.readsAtOnce = true
        network.client.send(pattern(3_000_000), on: other, finish: true)
        #expect(network.run { server.finished.contains(other) })
    }

    @Test func aStreamThatBothGaveUpIsForgottenOnBothEnds() throws {
        let (network, server) = try connected { $0.initialStreamWindow = 32 << 10 }
        server.readsAtOnce = false
        for round in 0..<20 {
            let stream = try network.client.session.openStream()
            network.client.send(pattern(100_000), on: stream)
            network.run { server.session.readableBytes(of: stream) > 0 }
            if round % 2 == 0 {
                try server.session.stopSending(stream, code: 9)
                try server.session.reset(stream, code: 9)
            } else {
                try network.client.session.reset(stream, code: 9)
                try network.client.session.stopSending(stream, code: 9)
            }
            network.run(for: .seconds(1))
        }
        #expect(network.client.session.connection.streams.isEmpty)
        #expect(server.session.connection.streams.isEmpty)
    }

    @Test func resetStreamsReturnTheirFlowControl() throws {
        let (network, server) = try connected {
            $0.initialSessionWindow = 128 << 10
            $0.maximumSessionWindow = 128 << 10
        }
        server.readsAtOnce = false
        for round in 0..<40 {
            let stream = try network.client.session.openStream()
            network.client.send(pattern(60_000), on: stream)
            #expect(network.run(for: .seconds(5)) { server.session.readableBytes(of: stream) > 20_000 }, "\(round)")
            try network.client.session.reset(stream, code: 1)
            try server.session.reset(stream, code: 1)
            network.run(for: .milliseconds(200))
        }
        #expect(network.client.session.isEstablished)
    }

    @Test func datagramsArriveOnceAndAreBounded() throws {
        let (network, server) = try connected()
        let largest = pattern(SecureSession.maximumDatagramLength)
        try network.client.session.sendDatagram([])
        try network.client.session.sendDatagram([1])
        try network.client.session.sendDatagram(largest)
        #expect(throws: TransportError.datagramTooLarge) {
            try network.client.session.sendDatagram(largest + [0])
        }
        network.run { server.datagrams.count == 3 }
        #expect(server.datagrams == [[], [1], largest])
        for index in 0..<200 { try server.session.sendDatagram([UInt8(index)]) }
        network.run(for: .seconds(1))
        #expect(network.client.datagrams == (136..<200).map { [UInt8($0)] })
    }

    @Test func receivedDatagramsThatNobodyTakesAreDroppedOldestFirst() throws {
        let (network, server) = try connected()
        for index in 0..<60 { try network.client.session.sendDatagram([UInt8(index)]) }
        network.client.session.transmit(now: network.now) { packets, segment, path in
            var rest = packets[...]
            while !rest.isEmpty {
                let packet = UnsafeRawBufferPointer(rebasing: rest.prefix(segment))
                server.session.receive(packet, on: path, now: network.now)
                rest = rest.dropFirst(segment)
            }
        }
        for index in 60..<100 { try network.client.session.sendDatagram([UInt8(index)]) }
        network.client.session.transmit(now: network.now) { packets, segment, path in
            var rest = packets[...]
            while !rest.isEmpty {
                let packet = UnsafeRawBufferPointer(rebasing: rest.prefix(segment))
                server.session.receive(packet, on: path, now: network.now)
                rest = rest.dropFirst(segment)
            }
        }
        server.handleEvents()
        #expect(server.datagrams == (36..<100).map { [UInt8($0)] })
    }

    @Test func unknownStreamsAreRefused() throws {
        let (network, _) = try connected()
        let session = network.client.session
        for id in [StreamID(rawValue: 0), StreamID(rawValue: 1), StreamID(rawValue: -1), StreamID(rawValue: .max)] {
            #expect(throws: TransportError.unknownStream) { try session.write([1], to: id) }
            #expect(throws: TransportError.unknownStream) { try session.read(from: id, maxLength: 1) }
            #expect(throws: TransportError.unknownStream) { try session.reset(id, code: 1) }
            #expect(throws: TransportError.unknownStream) { try session.stopSending(id, code: 1) }
            #expect(session.writableBytes(of: id) == 0)
            #expect(session.readableBytes(of: id) == 0)
        }
    }

    @Test func packetsOfOneBurstHaveOneSizeAndFitTheLimits() throws {
        let (network, server) = try connected()
        _ = server
        let stream = try network.client.session.openStream()
        var calls = 0
        for _ in 0..<50 {
            _ = try? network.client.session.write(pattern(200_000), to: stream)
            network.client.session.transmit(now: network.now) { packets, segment, path in
                calls += 1
                #expect(path == .relay)
                #expect(packets.count <= 65_000)
                #expect(segment <= 1452)
                #expect((packets.count + segment - 1) / segment <= 64)
                var rest = packets[...]
                while !rest.isEmpty {
                    let packet = UnsafeRawBufferPointer(rebasing: rest.prefix(segment))
                    #expect(SecureSession.classify(packet) == .tagged(server.session.tag))
                    network.put(Array(packet), from: .client, on: path)
                    rest = rest.dropFirst(segment)
                }
            }
            network.run(for: .milliseconds(10))
        }
        #expect(calls > 0)
    }
}

extension StreamTests {
    @Test func theWindowsOfAllStreamsTogetherGrowNoLargerThanTheSessions() throws {
        let (network, server) = try connected {
            $0.initialStreamWindow = 16 << 10
            $0.maximumStreamWindow = 256 << 10
            $0.initialSessionWindow = 64 << 10
            $0.maximumSessionWindow = 512 << 10
        }
        server.keepsBytes = false
        var streams: [StreamID] = []
        for _ in 0..<5 {
            let stream = try network.client.session.openStream()
            network.client.send(pattern(1_500_000), on: stream)
            streams.append(stream)
        }
        #expect(network.run(for: .seconds(60)) { streams.allSatisfy { server.receivedCount[$0] == 1_500_000 } })
        let windows = server.session.connection.streams.values.map(\.window)
        #expect(windows.count == 5)
        #expect(windows.reduce(0, +) <= 512 << 10)
        #expect(windows.reduce(0, +) > 256 << 10)
        #expect(windows.allSatisfy { $0 <= 256 << 10 })
    }

    @Test func roomIsAnnouncedEvenToAWriterThatLooksBeforeItWrites() throws {
        let (network, server) = try connected {
            $0.streamSendBuffer = 100_000
            $0.maximumStreamSendBuffer = 100_000
        }
        server.keepsBytes = false
        let session = network.client.session
        let stream = try session.openStream()
        #expect(try session.write(pattern(60_000), to: stream) == 60_000)
        #expect(session.writableBytes(of: stream) == 40_000)
        #expect(network.run(for: .seconds(2)) { network.client.contains(.streamWritable(stream)) })
        #expect(session.writableBytes(of: stream) >= 50_000)
        network.run(for: .seconds(1))
        #expect(session.unacknowledgedBytes(of: stream) == 0)
        #expect(network.client.events.filter { $0 == .streamWritable(stream) }.count == 1)
    }
}
