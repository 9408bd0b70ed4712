import Identity
import Messenger
import NIOCore
package import Paths
package import SecureTransport
package import SignalingClient
import TestTools
package import Wire

/// The part of a ``ScriptedPeer`` that lives on its event loop.
package final class ScriptedCore {
    package let client: SignalingClient
    package private(set) var transport: SecureSession?
    /// The stream of the conversation, once there is one.
    package private(set) var conversation: StreamID?
    /// Every stream that the other side opened.
    package private(set) var streams: [StreamID] = []
    /// The greeting with which dials are answered; without one they are not.
    var answer: [UInt8]?
    /// Opens and makes envelopes; a new one for each partner, as after a loss of everything.
    private(set) var ratchet: ScriptedRatchet?
    /// Whether envelopes are confirmed as soon as they come.
    package var confirmsEnvelopes = true
    /// Whether the server may delete mails as soon as they come.
    package var acknowledgesMail = true
    /// The number of the last request to the server's mailbox.
    var lastRequest: UInt32 = 0
    private weak var owner: ScriptedPeer?
    private let identity: Identity
    private let loop: NIOIsolatedEventLoop
    private var partner: PeerID?
    private var decoder = ConversationFrameDecoder()
    private var timer: Scheduled<Void>?
    /// Dials of which a part has come.
    private var calls = IncomingCalls<PeerID>()

    init(owner: ScriptedPeer, client: SignalingClient, loop: any EventLoop) {
        self.owner = owner
        identity = owner.identity
        self.client = client
        self.loop = loop.assumeIsolated()
    }

    package var now: MonotonicTime { MonotonicTime(nanoseconds: NIODeadline.now().uptimeNanoseconds) }

    func end() {
        hangUp()
        client.stop()
    }

    /// Forgets the session without a word.
    package func hangUp() {
        timer?.cancel()
        transport = nil
    }

    func dial(_ peer: PeerID, greeting: [UInt8]) throws {
        adopt(try SecureSession.connect(identity: identity, to: peer, greeting: greeting, now: now), with: peer)
        transport?.addPath(.relay, kind: .relay, now: now)
    }

    private func adopt(_ session: SecureSession, with peer: PeerID) {
        transport = session
        correspond(with: peer)
        conversation = nil
        decoder = ConversationFrameDecoder()
    }

    /// From now on envelopes are for this peer, and come from it.
    func correspond(with peer: PeerID) {
        if partner != peer { ratchet = try? ScriptedRatchet(identity, with: peer) }
        partner = peer
    }

    /// Opens the conversation; the other side learns of it with the first frame.
    package func openConversation(features: UInt32 = ConversationFrame.speaksEnvelopes) throws {
        conversation = try transport?.openStream()
        try write(ConversationFrame.hello(name: "peer", features: features).encode())
    }

    /// Writes all of the bytes to the conversation.
    package func write(_ bytes: [UInt8]) throws {
        guard let transport, let conversation, try transport.write(bytes, to: conversation) == bytes.count else {
            throw Unmet(description: "not all was written")
        }
    }

    func relay(_ packet: [UInt8], segmentSize: Int, to peer: PeerID) {
        _ = packet.withUnsafeBytes { client.sendRelay(to: peer.key, segmentSize: segmentSize, packets: $0) }
    }

    // MARK: In

    func handle(_ event: SignalingEvent) {
        guard case .relay(let from, let segmentSize, let packets) = event else {
            if case .mail(.item(let mail, _, let envelope)) = event { take(mail, envelope) }
            owner?.signals.append(event)
            return
        }
        guard let peer = try? PeerID(bytes: from.bytes) else { return }
        var rest = packets.readableBytesView
        while !rest.isEmpty {
            receive(Array(rest.prefix(max(1, segmentSize))), from: peer)
            rest = rest.dropFirst(max(1, segmentSize))
        }
        pump()
    }

    private func receive(_ packet: [UInt8], from peer: PeerID) {
        owner?.packets.append(packet)
        packet.withUnsafeBytes { bytes in
            if let answer, case .initial(let destination) = SecureSession.classify(bytes), isNew(destination) {
                let call = try? calls.receive(
                    bytes, destination: destination, from: peer, to: identity.peerID.noisePublicKey, now: now,
                    admits: { true })
                if let call,
                    let session = try? SecureSession.accept(
                        call, identity: identity, on: .relay, authorize: { _, _ in answer }, now: now)
                {
                    adopt(session, with: peer)
                }
            } else {
                transport?.receive(bytes, on: .relay, now: now)
            }
        }
    }

    /// Whether a first packet belongs to no session here.
    private func isNew(_ destination: [UInt8]) -> Bool {
        guard let transport else { return true }
        return destination != transport.firstConnectionID && ConnectionTag(destination.prefix(8)) != transport.tag
    }

    private func take(_ mail: UInt64, _ envelope: [UInt8]) {
        let opened = try? MailSeal.open(envelope, recipient: identity)
        let content = opened.flatMap { $0.sender == partner ? try? ratchet?.open($0.ciphertext) : nil }
        owner?.mails.append(
            ReceivedMail(mail: mail, sender: opened?.sender, ciphertext: opened?.ciphertext ?? [], content: content))
        if acknowledgesMail { _ = client.send(.acknowledge(mails: [mail])) }
    }

    // MARK: Out

    func pump() {
        guard let transport else { return }
        flush(transport)
        while let event = transport.pollEvent() { handle(event, transport) }
        flush(transport)
        timer?.cancel()
        timer = transport.nextTimeout.map { due in
            loop.scheduleTask(deadline: .uptimeNanoseconds(due.nanoseconds)) { [weak self, weak transport] in
                guard let self, let transport, transport === self.transport else { return }
                transport.handleTimeout(now: self.now)
                self.pump()
            }
        }
    }

    private func flush(_ transport: SecureSession) {
        guard let partner else { return }
        transport.transmit(now: now) { bytes, segmentSize, _ in
            owner?.sent.append(Array(bytes))
            _ = client.sendRelay(to: partner.key, segmentSize: segmentSize, packets: bytes)
        }
    }

    private func handle(_ event: SessionEvent, _ transport: SecureSession) {
        switch event {
        case .streamOpened(let stream):
            streams.append(stream)
            if conversation == nil { conversation = stream }
        case .streamReadable(let stream):
            read(stream, transport)
        default:
            break
        }
        owner?.session.append(event)
    }

    private func read(_ stream: StreamID, _ transport: SecureSession) {
        while let bytes = try? transport.read(from: stream, maxLength: 64 << 10), !bytes.isEmpty {
            guard stream == conversation else { continue }
            decoder.append(bytes)
            while let frame = try? decoder.next() {
                answer(frame)
                owner?.frames.append(frame)
            }
        }
    }

    /// What every peer does with prekeys and envelopes.
    private func answer(_ frame: ConversationFrame) {
        switch frame {
        case .prekeys([]):
            if let bundle = try? ratchet?.bundle() { try? write(ConversationFrame.prekeys(bundle).encode()) }
        case .envelope(let ciphertext):
            guard let content = try? ratchet?.open(ciphertext) else { return }
            let id = Envelope.id(of: ciphertext)
            owner?.envelopes.append(OpenedEnvelope(id: id, content: content))
            if confirmsEnvelopes { try? write(ConversationFrame.stored([id]).encode()) }
        default:
            break
        }
    }
}
