package import Identity
import NIOCore
import NIOPosix
import Paths
package import SecureTransport
package import SignalingClient
package import TestTools
package import Wire

/// A peer that does what the test says: it speaks every protocol of Sotto over the relay and keeps no rule that the test breaks.
package final class ScriptedPeer: Sendable {
    package let identity: Identity
    /// What the server says, but for RELAY frames.
    package let signals = EventLog<SignalingEvent>()
    /// Packets that came through the relay.
    package let packets = EventLog<[UInt8]>()
    /// Packets that went to the relay.
    package let sent = EventLog<[UInt8]>()
    /// What the session says.
    package let session = EventLog<SessionEvent>()
    /// What the other side says in the conversation.
    package let frames = EventLog<ConversationFrame>()
    /// What was in the envelopes that came.
    package let envelopes = EventLog<OpenedEnvelope>()
    /// What the server's mailbox had for this peer.
    package let mails = EventLog<ReceivedMail>()
    private let loop: any EventLoop
    private let core: NIOLoopBoundBox<ScriptedCore?>

    package var id: PeerID { identity.peerID }

    private init(_ url: ServerURL, _ identity: Identity) {
        self.identity = identity
        loop = MultiThreadedEventLoopGroup.singleton.next()
        core = NIOLoopBoundBox.makeEmptyBox(valueType: ScriptedCore.self, eventLoop: loop)
        let core = core
        let client = SignalingClient(
            url: url, identity: identity, eventLoop: loop, logger: quiet, events: { core.value?.handle($0) })
        loop.execute { [self] in
            core.value = ScriptedCore(owner: self, client: client, loop: loop)
            client.start()
        }
    }

    deinit {
        loop.execute { [core] in
            core.value?.end()
            core.value = nil
        }
    }

    /// A peer that the server knows.
    package static func loggedIn(_ lab: Lab, _ identity: Identity? = nil) async throws -> ScriptedPeer {
        let peer = ScriptedPeer(lab.url, try identity ?? Identity.generate())
        try await peer.signals.next("login") { if case .connected = $0 { () } else { nil } }
        return peer
    }

    /// Does something on the loop that owns the session, and lets out what it causes.
    @discardableResult
    package func perform<Result: Sendable>(
        _ body: @escaping @Sendable (ScriptedCore) throws -> Result
    ) async throws -> Result {
        try await loop.submit { [core] in
            guard let core = core.value else { throw Unmet(description: "the peer has vanished") }
            defer { core.pump() }
            return try body(core)
        }.get()
    }

    /// Disconnects from the server without a word to anybody.
    package func vanish() async throws {
        try await loop.submit { [core] in
            core.value?.end()
            core.value = nil
        }.get()
    }

    // MARK: Sessions

    /// Dials; `greeting` is what the handshake says.
    package func dial(_ peer: PeerID, greeting: [UInt8]) async throws {
        try await perform { try $0.dial(peer, greeting: greeting) }
    }

    /// Dials and opens the conversation.
    package func converse(with peer: PeerID, greeting: [UInt8]) async throws {
        try await dial(peer, greeting: greeting)
        try await session.next("handshake") { if case .handshakeCompleted = $0 { () } else { nil } }
        try await perform { try $0.openConversation() }
    }

    /// Answers every dial from now on.
    package func answer(greeting: [UInt8]) async throws {
        try await perform { $0.answer = greeting }
    }

    /// Writes bytes, a frame or not, to the conversation stream.
    package func write(_ bytes: [UInt8]) async throws {
        try await perform { try $0.write(bytes) }
    }

    package func write(_ frame: ConversationFrame) async throws { try await write(try frame.encode()) }

    /// Why the session ended.
    package func closed(within seconds: Double = 60) async throws -> CloseReason {
        try await session.next("close", within: seconds) { if case .closed(let reason) = $0 { reason } else { nil } }
    }

    // MARK: Around sessions

    /// Sends raw packets to a peer.
    package func relay(_ packets: [[UInt8]], to peer: PeerID) async throws {
        try await perform { core in
            for packet in packets { core.relay(packet, segmentSize: packet.count, to: peer) }
        }
    }

    /// Seals a rendezvous payload, as `sender` if it is not this peer itself.
    package func seal(
        _ body: Rendezvous.Body, connectionID: [UInt8], time: UInt64, to peer: PeerID, as sender: Identity? = nil
    ) throws -> [UInt8] {
        try SealedEnvelope.seal(
            try Rendezvous(connectionID: connectionID, time: time, body: body).encode(), from: sender ?? identity,
            to: peer, context: Rendezvous.sealingContext)
    }

    package func signal(_ payload: [UInt8], to peer: PeerID) async throws {
        try await perform { core in _ = core.client.send(.signal(peer: peer.key, payload: payload)) }
    }

    /// What the peer signalled so far, opened.
    package var rendezvous: [Rendezvous] {
        signals.all.compactMap { if case .signal(_, let payload) = $0 { open(payload) } else { nil } }
    }

    /// The next thing that somebody signals.
    package func nextRendezvous(within seconds: Double = 60) async throws -> Rendezvous {
        try await signals.next("rendezvous", within: seconds) { event in
            if case .signal(_, let payload) = event { self.open(payload) } else { nil }
        }
    }

    private func open(_ payload: [UInt8]) -> Rendezvous? {
        guard
            let opened = try? SealedEnvelope.open(payload, recipient: identity, context: Rendezvous.sealingContext)
        else { return nil }
        return try? Rendezvous.decode(opened.payload)
    }
}
