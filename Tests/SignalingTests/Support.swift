import Identity
import Logging
import NIOCore
import NIOPosix
import SignalingClient
import TestTools
import Testing
import Wire

@testable import SignalingServer

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A server on the loopback, stopped at the end. Nobody is too slow for it, unless the test says so.
func withServer(
    _ change: (inout ServerConfiguration) throws -> Void = { _ in },
    _ body: (SignalingServer) async throws -> Void
) async throws {
    var configuration = ServerConfiguration.loopback()
    configuration.limits.authentication = .minutes(10)
    configuration.limits.heartbeat = .minutes(10)
    configuration.limits.stalled = .minutes(10)
    configuration.limits.signalWait = .minutes(10)
    try change(&configuration)
    let server = try await SignalingServer.start(configuration, logger: quiet)
    do {
        try await body(server)
    } catch {
        await server.shutdown()
        throw error
    }
    await server.shutdown()
}

extension SignalingServer {
    /// Where a client on this machine reaches the server.
    var url: ServerURL { get throws { try #require(urls.first) } }

    /// Does what is due at a time that the test has chosen. What the server does by itself it does by the clock.
    func sweep(now: NIODeadline) async throws {
        for connections in connections {
            try await connections.eventLoop.submit { connections.value.sweep(now: now) }.get()
        }
    }
}

/// Short waits, so that tests of reconnection take no time.
var impatient: SignalingTiming {
    var timing = SignalingTiming()
    timing.firstRetry = .milliseconds(20)
    timing.lastRetry = .milliseconds(200)
    timing.connect = .minutes(10)
    return timing
}

/// A client whose events are kept.
final class TestClient: Sendable {
    let identity: Identity
    let client: SignalingClient
    private let events: EventLog<SignalingEvent>

    init(
        _ url: ServerURL, identity: Identity? = nil, trust: TLSTrust = .system, timing: SignalingTiming = impatient
    ) throws {
        let identity = try identity ?? Identity.generate()
        let events = EventLog<SignalingEvent>()
        self.identity = identity
        self.events = events
        client = SignalingClient(
            url: url, identity: identity, eventLoop: MultiThreadedEventLoopGroup.singleton.next(), trust: trust,
            timing: timing, logger: quiet, events: { events.append($0) })
        client.start()
    }

    deinit { client.stop() }

    var key: PeerKey { identity.peerID.key }
    var all: [SignalingEvent] { events.all }

    /// A client that has logged in.
    static func loggedIn(
        _ url: ServerURL, identity: Identity? = nil, trust: TLSTrust = .system, timing: SignalingTiming = impatient
    ) async throws -> TestClient {
        let client = try TestClient(url, identity: identity, trust: trust, timing: timing)
        _ = try await client.welcome()
        return client
    }

    /// The next event for which `pick` has a value; events before it are passed over.
    func next<Value: Sendable>(
        _ what: String, within seconds: Double = patience, _ pick: @escaping @Sendable (SignalingEvent) -> Value?
    ) async throws -> Value {
        try await events.next(what, within: seconds, pick)
    }

    /// Passes over everything that came of what was done so far.
    func forget() async throws {
        try await client.eventLoop.submit { [events] in events.forget() }.get()
    }

    func welcome() async throws -> Welcome {
        try await next("welcome") { if case .connected(let welcome, _, _) = $0 { welcome } else { nil } }
    }

    func disconnect() async throws -> (SignalingDisconnect, retryIn: Double?) {
        try await next("disconnect") {
            if case .disconnected(let reason, let retryIn) = $0 { (reason, retryIn) } else { nil }
        }
    }

    func signal() async throws -> (from: PeerKey, payload: [UInt8]) {
        try await next("signal") { if case .signal(let from, let payload) = $0 { (from, payload) } else { nil } }
    }

    func unreachable() async throws -> (PeerKey, UnreachableReason) {
        try await next("unreachable") {
            if case .unreachable(let peer, let reason) = $0 { (peer, reason) } else { nil }
        }
    }

    @discardableResult
    func send(_ frame: SignalingFrame) async throws -> Bool {
        try await client.eventLoop.submit { [client] in client.send(frame) }.get()
    }

    @discardableResult
    func relay(to peer: PeerKey, segmentSize: Int, _ packets: [UInt8]) async throws -> Bool {
        try await client.eventLoop.submit { [client] in
            packets.withUnsafeBytes { client.sendRelay(to: peer, segmentSize: segmentSize, packets: $0) }
        }.get()
    }
}
