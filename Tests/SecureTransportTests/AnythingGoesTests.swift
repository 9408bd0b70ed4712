import Noise
import Paths
import TestTools
import Testing

@testable import SecureTransport

/// Long random lives of two ends: whatever happens, what a stream delivers is what was written to it, in order.
@Suite struct AnythingGoesTests {
    /// One life.
    private final class Life {
        var generator: SeededGenerator
        let network: VirtualNetwork
        let server: TestEnd
        var written: [VirtualNetwork.Side: [StreamID: [UInt8]]] = [.client: [:], .server: [:]]
        var nextPath: UInt32 = 1
        var paths: [PathID] = []

        init(seed: UInt64) throws {
            generator = SeededGenerator(seed: seed)
            var configuration = SessionConfiguration()
            configuration.initialStreamWindow = 32 << 10
            configuration.maximumStreamWindow = 128 << 10
            configuration.initialSessionWindow = 128 << 10
            configuration.maximumSessionWindow = 512 << 10
            configuration.maximumRemoteStreams = 8
            configuration.streamSendBuffer = 100_000
            configuration.maximumStreamSendBuffer = 100_000
            configuration.keyUpdateInterval = 200
            network = try VirtualNetwork(
                seed: seed, client: configuration, server: configuration,
                relay: Link(
                    delay: .milliseconds(15), jitter: .milliseconds(4), bitsPerSecond: 50e6, loss: 0.02,
                    duplication: 0.02, corruption: 0.02))
            try #require(network.connect())
            server = try #require(network.server)
        }

        func choose(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }

        func act() {
            let side: VirtualNetwork.Side = choose(2) == 0 ? .client : .server
            guard let end = network.end(side) else { return }
            switch choose(14) {
            case 0...4: open(side, end)
            case 5: act(on: side) { try? end.session.reset($0, code: 1) }
            case 6: act(on: side.other) { try? end.session.stopSending($0, code: 2) }
            case 7: try? end.session.sendDatagram(pattern(choose(1161)))
            case 8: end.session.updateKeys()
            case 9: end.readsAtOnce.toggle()
            case 10: addPath()
            case 11: removePath()
            case 12: darken()
            default: replyToSome(side, end)
            }
        }

        /// Picks a stream that `side` writes.
        private func act(on side: VirtualNetwork.Side, _ body: (StreamID) -> Void) {
            guard let streams = written[side]?.keys.sorted(), !streams.isEmpty else { return }
            body(streams[choose(streams.count)])
        }

        private func open(_ side: VirtualNetwork.Side, _ end: TestEnd) {
            guard let stream = try? end.session.openStream() else { return }
            send(stream, side, end)
        }

        private func send(_ stream: StreamID, _ side: VirtualNetwork.Side, _ end: TestEnd) {
            let bytes = pattern(choose(4) == 0 ? choose(200_000) : choose(3000), seed: UInt8(choose(256)))
            written[side]?[stream] = bytes
            end.send(bytes, on: stream, finish: true)
        }

        /// Streams end when both ends have finished.
        private func replyToSome(_ side: VirtualNetwork.Side, _ end: TestEnd) {
            for stream in (written[side.other] ?? [:]).keys.sorted() {
                if written[side]?[stream] == nil, end.contains(.streamOpened(stream)) { send(stream, side, end) }
            }
        }

        private func addPath() {
            guard paths.count < 3 else { return }
            let path = PathID(rawValue: nextPath)
            nextPath += 1
            paths.append(path)
            let link = Link(
                delay: .milliseconds(Int64(1 + choose(30))), jitter: .milliseconds(Int64(choose(3))),
                bitsPerSecond: 100e6, loss: Double(choose(5)) / 100, corruption: 0.01,
                largestPacket: 1200 + choose(300))
            network.addPath(path, kind: choose(4) == 0 ? .turn : .direct, link)
        }

        private func removePath() {
            guard choose(3) == 0, !paths.isEmpty else { return }
            let path = paths.remove(at: choose(paths.count))
            network.client.session.removePath(path, now: network.now)
            if choose(2) == 0 { network.run(for: .milliseconds(50)) }
            server.session.removePath(path, now: network.now)
        }

        private func darken() {
            guard !paths.isEmpty else { return }
            let path = paths[choose(paths.count)]
            switch choose(3) {
            case 0: network.change(path) { $0.isDark.toggle() }
            case 1: network[path, from: .client].isDark.toggle()
            default: network[path, from: .server].isDark.toggle()
            }
        }

        func live(_ turns: Int) {
            for _ in 0..<turns {
                act()
                network.run(for: .milliseconds(Int64(choose(120))))
            }
        }

        func settle() {
            for path in paths { network.change(path) { $0.isDark = false } }
            for side in [VirtualNetwork.Side.client, .server] {
                guard let end = network.end(side) else { continue }
                end.readsAtOnce = true
                for stream in end.session.connection.streams.keys { end.read(stream) }
                replyToSome(side, end)
            }
            network.run(for: .seconds(20))
        }
    }

    @Test(arguments: Array(1...12 as ClosedRange<UInt64>) + [61, 79, 282, 335]) func whatArrivesIsWhatWasWritten(
        seed: UInt64
    ) throws {
        let life = try Life(seed: seed)
        life.live(150)
        life.settle()
        for side in [VirtualNetwork.Side.client, .server] {
            let receiver = try #require(life.network.end(side.other))
            #expect(receiver.closeReason == nil)
            for (stream, bytes) in life.written[side] ?? [:] {
                let received = receiver.received[stream, default: []]
                #expect(bytes.starts(with: received), "\(stream)")
                if receiver.finished.contains(stream) { #expect(received.count == bytes.count) }
            }
        }
        life.network.client.session.close(code: 1, reason: "end", now: life.network.now)
        #expect(life.network.run(for: .seconds(10)) { life.server.closeReason == .remote(code: 1, reason: "end") })
        #expect(life.network.run(for: .seconds(10)) { life.network.client.session.isFinished })
    }
}
