import Foundation
import NATLab

/// A server that lies about who talks: stands between its clients and an honest one, and edits what passes.
final class LyingServer: Sendable {
    enum Direction: Sendable {
        case fromClient, toClient
    }

    typealias Edit = @Sendable (Direction, inout [UInt8]) -> Void

    let port: UInt16
    private let listener: Int32
    private let connections = Locked<[Int32]>([])

    /// - Parameter edit: gets every binary message.
    init(before honest: UInt16, edit: @escaping Edit) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        port = try Loopback.listen(listener)
        Thread { [weak self, listener] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0, let self else { return }
                let server = Loopback.connect(port: honest)
                self.connections.withLock { $0 += [client, server] }
                Self.join(client, server, edit)
            }
        }.start()
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        for connection in connections.withLock({ $0 }) where connection >= 0 {
            shutdown(connection, Int32(SHUT_RDWR))
            close(connection)
        }
    }

    private static func join(_ client: Int32, _ server: Int32, _ edit: @escaping Edit) {
        Thread {
            guard let request = Loopback.readHead(client), Loopback.write(server, Array(request.utf8)),
                let response = Loopback.readHead(server), Loopback.write(client, Array(response.utf8))
            else { return hangUp(client, server) }
            Thread { pump(client, server) { edit(.fromClient, &$0) } }.start()
            pump(server, client) { edit(.toClient, &$0) }
        }.start()
    }

    private static func hangUp(_ one: Int32, _ other: Int32) {
        shutdown(one, Int32(SHUT_RDWR))
        shutdown(other, Int32(SHUT_RDWR))
    }

    /// Hands WebSocket frames (RFC 6455 §5.2) from one side to the other.
    private static func pump(_ source: Int32, _ destination: Int32, _ edit: (inout [UInt8]) -> Void) {
        defer { hangUp(source, destination) }
        while var frame = Frame(from: source) {
            if frame.isBinary { edit(&frame.payload) }
            guard Loopback.write(destination, frame.bytes) else { return }
        }
    }

    private struct Frame {
        let first: UInt8
        let mask: [UInt8]
        var payload: [UInt8]
        var isBinary: Bool { first & 0x0F == 2 }

        init?(from source: Int32) {
            guard let head = Loopback.read(source, 2) else { return nil }
            first = head[0]
            var length = Int(head[1] & 0x7F)
            if length >= 126 {
                guard let long = Loopback.read(source, length == 126 ? 2 : 8) else { return nil }
                length = long.reduce(0) { $0 << 8 | Int($1) }
            }
            guard let mask = Loopback.read(source, head[1] & 0x80 != 0 ? 4 : 0),
                let payload = Loopback.read(source, length)
            else { return nil }
            self.mask = mask
            self.payload = Self.masked(payload, mask)
        }

        var bytes: [UInt8] {
            var bytes = [first]
            let bit: UInt8 = mask.isEmpty ? 0 : 0x80
            if payload.count < 126 {
                bytes.append(bit | UInt8(payload.count))
            } else if payload.count <= 0xFFFF {
                bytes += [bit | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
            } else {
                bytes.append(bit | 127)
                bytes += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
            }
            return bytes + mask + Self.masked(payload, mask)
        }

        private static func masked(_ bytes: [UInt8], _ mask: [UInt8]) -> [UInt8] {
            mask.isEmpty ? bytes : bytes.enumerated().map { $1 ^ mask[$0 & 3] }
        }
    }
}

/// What the signaling protocol looks like, written down a second time.
enum SignalingBytes {
    static let signal: UInt8 = 4
    static let relay: UInt8 = 5
    static let unreachable: UInt8 = 6

    /// Replaces the peer in SIGNAL, RELAY and UNREACHABLE.
    static func replacePeer(_ one: [UInt8], by other: [UInt8], in message: inout [UInt8]) {
        guard message.count >= 33, [signal, relay, unreachable].contains(message[0]), Array(message[1..<33]) == one
        else { return }
        message.replaceSubrange(1..<33, with: other)
    }

    /// The 32 bytes of a peer id in text (BIP 350, checksum not checked).
    static func peer(_ text: String) -> [UInt8] {
        let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l")
        var bits = 0
        var count = 0
        var bytes: [UInt8] = []
        for character in text.dropFirst("sotto1".count).dropLast(6) {
            bits = bits << 5 | (alphabet.firstIndex(of: character) ?? 0)
            count += 5
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            bits &= (1 << count) - 1
        }
        return bytes
    }
}
