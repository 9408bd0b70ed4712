import Dispatch
import Identity
import NIOCore
import NIOPosix
import TestTools
import Testing
import Wire

@testable import SignalingClient

/// A client that is stopped while the system still looks for the server's name.
@Suite struct StoppingTests {
    /// Looks names up as slowly as the test wants. Safety: immutable; what it holds is safe by itself.
    private final class SlowLookup: Sendable {
        let asked: EventLog<HostName>
        private let gone: EventLog<Void>
        private let mayAnswer: DispatchSemaphore

        init(_ asked: EventLog<HostName>, _ mayAnswer: DispatchSemaphore, gone: EventLog<Void>) {
            self.asked = asked
            self.mayAnswer = mayAnswer
            self.gone = gone
        }

        deinit { gone.append(()) }

        func answer(_ host: HostName) -> Result<[SocketAddress], SignalingDisconnect> {
            asked.append(host)
            mayAnswer.wait()
            return Result { try SocketAddress(ipAddress: "127.0.0.1", port: 1) }.map { [$0] }
                .mapError { .network("\($0)") }
        }
    }

    private static func settings(
        _ lookup: SlowLookup, _ events: @escaping @Sendable (SignalingEvent) -> Void = { _ in }
    ) throws -> ClientSettings {
        let identity = try Identity.generate()
        // No attempt ends by itself while the lookup takes as long as the test wants.
        var timing = impatient
        timing.connect = .minutes(10)
        return ClientSettings(
            url: try ServerURL("ws://somewhere.invalid:1"), peer: identity.peerID.key, sign: { identity.sign($0) },
            trust: .system, timing: timing, logger: quiet, events: events,
            lookUp: { host, _ in lookup.answer(host) })
    }

    /// In a process of its own, because it is the process that pays: NIO complains on standard error about who uses a loop
    /// that was shut down, and ends a debug build whose promises are forgotten.
    @Test func theLoopMayBeShutDownWhileANameIsLookedUp() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
            let (asked, gone) = (EventLog<HostName>(), EventLog<Void>())
            let mayAnswer = DispatchSemaphore(value: 0)
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            do {
                let settings = try Self.settings(SlowLookup(asked, mayAnswer, gone: gone))
                let client = SignalingClient(settings, eventLoop: group.next())
                client.start()
                _ = try await asked.next("the lookup") { $0 }
                client.stop()
                try await group.shutdownGracefully()
            }
            mayAnswer.signal()
            try await gone.next("the end of the lookup") { $0 }
        }
        #expect(result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) } == "")
    }

    /// The names of STUN and TURN servers are looked up in the same way.
    @Test func otherNamesAreLookedUpTogetherUntilItIsStopped() async throws {
        let (asked, told) = (EventLog<HostName>(), EventLog<[HostName: [IPAddress]]>())
        let mayAnswer = DispatchSemaphore(value: 0)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let client = SignalingClient(try Self.settings(SlowLookup(asked, mayAnswer, gone: EventLog())), eventLoop: loop)
        let hosts = try ["a.example", "b.example"].map { try HostName($0) }
        for isStopped in [false, true] {
            try await loop.submit { client.lookUp(hosts) { told.append($0) } }.get()
            for _ in hosts { _ = try await asked.next("the lookup", within: 60) { $0 } }
            if isStopped {
                client.stop()
                _ = try await loop.submit {}.get()
            }
            for _ in hosts { mayAnswer.signal() }
            if !isStopped {
                let addresses = try await told.next("the answer", within: 60) { $0 }
                #expect(addresses == [hosts[0]: [.v4(127, 0, 0, 1)], hosts[1]: [.v4(127, 0, 0, 1)]])
            }
        }
        #expect(told.all.count == 1)
    }

    /// Nobody waits for an answer that is not wanted any more.
    @Test func aNewAttemptDoesNotWaitForAnOldLookup() async throws {
        let (asked, events) = (EventLog<HostName>(), EventLog<SignalingEvent>())
        let mayAnswer = DispatchSemaphore(value: 0)
        let client = SignalingClient(
            try Self.settings(SlowLookup(asked, mayAnswer, gone: EventLog())) { events.append($0) },
            eventLoop: MultiThreadedEventLoopGroup.singleton.next())
        client.start()
        _ = try await asked.next("the first lookup") { $0 }
        client.reconnectNow()
        _ = try await asked.next("the second lookup") { $0 }
        let told = try await client.eventLoop.submit { events.all.map { "\($0)" } }.get()
        #expect(told == ["connecting", "connecting"])
        client.stop()
        for _ in 0..<2 { mayAnswer.signal() }
    }
}
