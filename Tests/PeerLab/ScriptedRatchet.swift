import Foundation
import Identity
import Messenger
import Ratchet
import TestTools
package import Wire

/// Makes and opens the envelopes of a scripted peer, without keeping anything.
final class ScriptedRatchet {
    private let identity: Identity
    private let peer: PeerID
    private var ratchet: PeerRatchet
    private var prekeys: PrekeySet
    private var sequence: UInt64 = 0

    init(_ identity: Identity, with peer: PeerID) throws {
        self.identity = identity
        self.peer = peer
        ratchet = PeerRatchet(own: identity.peerID, peer: peer)
        prekeys = try PrekeySet.generate(for: identity, now: Self.now)
    }

    private static var now: UInt64 { UInt64(Date().timeIntervalSince1970 * 1000) }

    var canSend: Bool { ratchet.canSend }

    func bundle() throws -> [UInt8] { try prekeys.bundle(for: identity, to: peer, now: Self.now).encode() }

    /// What others may begin with who do not meet this peer.
    func publication() throws -> [UInt8] { try prekeys.publication(for: identity).encode() }

    func start(with bundle: [UInt8]) throws {
        guard !ratchet.canSend else { return }
        ratchet = try ratchet.starting(with: try PrekeyBundle(decoding: bundle), identity: identity, now: Self.now)
    }

    /// The ciphertext of a content.
    func seal(_ body: MessageContent.Body, id: [UInt8]) throws -> [UInt8] {
        sequence += 1
        let content = MessageContent(id: id, sentAt: Self.now, sequence: sequence, body: body)
        let (next, ciphertext) = try ratchet.encrypting(try content.encode())
        ratchet = next
        return ciphertext
    }

    func open(_ ciphertext: [UInt8]) throws -> MessageContent {
        let (next, plaintext, used) = try ratchet.decrypting(ciphertext, identity: identity, prekeys: prekeys)
        ratchet = next
        prekeys = used ?? prekeys
        return try MessageContent(decoding: plaintext)
    }
}

/// An envelope that a scripted peer has opened.
package struct OpenedEnvelope: Sendable {
    /// Its id.
    package let id: [UInt8]
    package let content: MessageContent

    /// The text, if it is one.
    package var text: String? { if case .text(let text, _, _) = content.body { text } else { nil } }
}

extension ScriptedPeer {
    /// Writes content to the conversation, in an envelope; a ratchet session is begun when there is none.
    ///
    /// - Parameter times: how often the same envelope goes out.
    /// - Returns: the envelope's id.
    @discardableResult
    package func say(
        _ body: MessageContent.Body, id: [UInt8]? = nil, times: Int = 1, and rest: [UInt8] = []
    ) async throws -> [UInt8] {
        if try await !perform({ $0.ratchet?.canSend == true }) {
            try await write(.prekeys([]))
            let bundle = try await frames.until("prekeys") { frames in
                for case .prekeys(let bundle) in frames where !bundle.isEmpty { return bundle }
                return nil
            }
            try await perform { try $0.ratchet?.start(with: bundle) }
        }
        let id = id ?? (0..<16).map { _ in UInt8.random(in: 0...255) }
        return try await perform { core in
            guard let ratchet = core.ratchet else { throw Unmet(description: "no session") }
            let ciphertext = try ratchet.seal(body, id: id)
            let frame = try ConversationFrame.envelope(ciphertext).encode()
            for _ in 0..<times { try core.write(frame) }
            if !rest.isEmpty { try core.write(rest) }
            return Envelope.id(of: ciphertext)
        }
    }

    /// Writes a message.
    @discardableResult
    package func say(_ text: String, times: Int = 1, and rest: [UInt8] = []) async throws -> [UInt8] {
        try await say(.text(text, answers: nil, expiresAfter: nil), times: times, and: rest)
    }

    /// Every envelope that came, as it came.
    package var ciphertexts: [[UInt8]] {
        frames.all.compactMap { if case .envelope(let ciphertext) = $0 { ciphertext } else { nil } }
    }

    /// The next message that is written to this peer.
    package func nextText() async throws -> OpenedEnvelope {
        try await envelopes.next("message") { $0.text == nil ? nil : $0 }
    }
}
