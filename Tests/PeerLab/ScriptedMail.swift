package import Identity
import SignalingClient
import TestTools
package import Wire

/// A mail that came to a scripted peer.
package struct ReceivedMail: Sendable {
    /// The server's number for it.
    package let mail: UInt64
    /// Who sealed it; `nil` when it could not be opened.
    package let sender: PeerID?
    /// What was sealed.
    package let ciphertext: [UInt8]
    /// What it says, when it came from the peer with whom this one corresponds and its ratchet could read it.
    package let content: MessageContent?

    /// The text, if it is one.
    package var text: String? { if case .text(let text, _, _)? = content?.body { text } else { nil } }
}

// A scripted peer and the server's mailbox: any envelope, from a contact or a stranger.
extension ScriptedPeer {
    /// Asks the server's mailbox for something, and returns its answer.
    package func ask(_ frame: @escaping @Sendable (_ request: UInt32) -> MailFrame) async throws -> MailFrame {
        let number = try await perform { core in
            core.lastRequest += 1
            guard core.client.send(frame(core.lastRequest)) else { throw Unmet(description: "the frame was not sent") }
            return core.lastRequest
        }
        return try await answer(to: number)
    }

    private func answer(to number: UInt32) async throws -> MailFrame {
        try await signals.until("the mailbox's answer") { events in
            for case .mail(let frame) in events.reversed() where frame.request == number { return frame }
            return nil
        }
    }

    /// Gives the server what somebody needs to write to this peer: prekeys, and a capability that opens its mailbox.
    package func receiveMail(of peer: PeerID, capability: [UInt8]) async throws {
        let publication = try await perform { core in
            core.correspond(with: peer)
            return try core.ratchet?.publication() ?? []
        }
        let digest = try Capability.digest(of: capability)
        for answer in [
            try await ask { .publishPrekeys(request: $0, publication: publication) },
            try await ask { .capabilities(request: $0, operation: .add, digests: [digest]) },
        ] {
            guard case .done = answer else { throw Unmet(description: "the mailbox says \(answer)") }
        }
    }

    /// Begins a ratchet session with the prekeys that the server has of somebody.
    package func begin(with peer: PeerID, capability: [UInt8] = MailFrame.noCapability) async throws {
        guard
            case .prekeys(_, let bundle) = try await ask({
                .fetchPrekeys(request: $0, peer: peer.key, capability: capability)
            })
        else { throw Unmet(description: "no prekeys") }
        try await perform { core in
            core.correspond(with: peer)
            try core.ratchet?.start(with: bundle)
        }
    }

    /// A ciphertext for the peer with whom this one corresponds.
    package func encrypt(_ body: MessageContent.Body, id: [UInt8]? = nil) async throws -> [UInt8] {
        let id = id ?? (0..<16).map { _ in UInt8.random(in: 0...255) }
        return try await perform { core in
            guard let ratchet = core.ratchet else { throw Unmet(description: "no ratchet session") }
            return try ratchet.seal(body, id: id)
        }
    }

    /// A ciphertext of a message.
    package func encrypt(_ text: String) async throws -> [UInt8] {
        try await encrypt(.text(text, answers: nil, expiresAfter: nil))
    }

    /// Puts envelopes into somebody's mailbox, one behind the other, and returns when the server has answered to all.
    ///
    /// - Parameter capability: with `nil` they are a stranger's requests.
    @discardableResult
    package func post(
        _ ciphertexts: [[UInt8]], to peer: PeerID, capability: [UInt8]?
    ) async throws -> [MailFrame] {
        let envelopes = try ciphertexts.map { try MailSeal.seal($0, from: identity, to: peer) }
        var answers: [MailFrame] = []
        // No more at a time than a server lets one client have under way.
        for start in stride(from: 0, to: envelopes.count, by: 64) {
            let part = envelopes[start..<min(start + 64, envelopes.count)]
            let numbers = try await perform { core in
                try part.map { envelope in
                    core.lastRequest += 1
                    let (number, key) = (core.lastRequest, peer.key)
                    let frame: MailFrame =
                        capability.map {
                            .mail(request: number, recipient: key, capability: $0, envelope: envelope)
                        } ?? .requestMail(request: number, recipient: key, envelope: envelope)
                    guard core.client.send(frame) else { throw Unmet(description: "the frame was not sent") }
                    return number
                }
            }
            for number in numbers { answers.append(try await answer(to: number)) }
        }
        return answers
    }
}
