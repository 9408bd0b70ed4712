import NIOCore
import SecureTransport
package import Wire

/// A stream of a session beside the conversation, in both directions. What it carries is its owners' business.
///
/// Owned by the node's event loop. Once ``PeerStreamEvent/ended`` has come, or the session is closed, nothing happens here any more.
package final class PeerStream {
    let id: StreamID
    private weak var session: PeerSession?

    init(_ id: StreamID, of session: PeerSession) {
        self.id = id
        self.session = session
    }

    /// Writes to the stream and returns how many bytes were taken: fewer than offered when its buffer is full, none when the stream has ended.
    /// ``PeerStreamEvent/writable`` comes when a buffer that was more than half full is half empty.
    package func write(_ bytes: ArraySlice<UInt8>) -> Int {
        guard let session else { return 0 }
        let count = bytes.withUnsafeBytes { try? session.transport.write($0, to: id) }
        if let count, count > 0 { session.schedulePump() }
        return count ?? 0
    }

    /// Says that nothing more will be written.
    package func finish() {
        guard let session else { return }
        _ = try? session.transport.write([], to: id, finish: true)
        session.schedulePump()
    }

    /// Bytes that were written and that the peer has not acknowledged.
    package var unacknowledged: Int { session?.transport.unacknowledgedBytes(of: id) ?? 0 }

    /// Reads as much as there is and fits; returns how many bytes that were. Read until there are none: only then ``PeerStreamEvent/readable``
    /// comes again.
    package func read(into buffer: inout [UInt8]) -> Int {
        guard let session else { return 0 }
        let count = buffer.withUnsafeMutableBytes { try? session.transport.read(from: id, into: $0) }
        if let count, count > 0 { session.schedulePump() }
        return count ?? 0
    }

    /// Gives up both directions; the peer hears so. Idempotent.
    package func abandon() {
        guard let session else { return }
        self.session = nil
        session.abandon(self)
    }
}

/// What happens to a ``PeerStream``.
package enum PeerStreamEvent {
    /// The peer opened it. Who does not want it abandons it.
    case opened
    case readable
    case writable
    /// The peer has finished, reset or refused it.
    case ended
}

/// What a session is made of, and what it has done, for display.
package struct SessionSummary: Sendable {
    /// What protects the packets.
    package let cipher: CipherName
    /// Whether the keys are safe from quantum computers: the handshake was the hybrid one.
    package let isHybrid: Bool
    /// QUIC packets sent, and their bytes.
    package let packetsSent: UInt64
    package let bytesSent: UInt64
}

extension PeerSession {
    /// Streams of the peer beside the conversation that may be open at a time; further ones are refused.
    static let maximumStreams = 4

    /// What the session is made of; known once it is open.
    package var summary: SessionSummary {
        let statistics = transport.statistics
        return SessionSummary(
            cipher: CipherName(transport.cipher), isHybrid: transport.suite == .hybrid,
            packetsSent: statistics.packetsSent, bytesSent: statistics.bytesSent)
    }

    /// Opens a stream; the peer hears of it with the first bytes. `nil` when the session takes none now.
    package func openStream() -> PeerStream? {
        guard isOpen, let id = try? transport.openStream() else { return nil }
        return remember(PeerStream(id, of: self))
    }

    func abandon(_ stream: PeerStream) {
        forget(stream.id)
        try? transport.reset(stream.id, code: CloseCode.done)
        try? transport.stopSending(stream.id, code: CloseCode.done)
        schedulePump()
    }
}

extension CipherName {
    /// Those that this machine has, best first.
    package static var available: [CipherName] { PacketCipher.available().map { CipherName($0) } }

    init(_ cipher: PacketCipher) {
        switch cipher {
        case .chaCha20Poly1305: self = .chaCha20Poly1305
        case .aes256GCM: self = .aes256GCM
        }
    }

    var cipher: PacketCipher {
        switch self {
        case .chaCha20Poly1305: .chaCha20Poly1305
        case .aes256GCM: .aes256GCM
        }
    }
}
