import Foundation
import NATLab
import Testing

/// Something on a TCP port of the loopback that is no signaling server.
final class FakeServer: Sendable {
    enum Manner: String, CaseIterable {
        /// Sends bytes that mean nothing.
        case garbage
        /// Hangs up at once.
        case hangsUp
        /// Answers as web servers do.
        case webPage
        /// Says no, with control characters.
        case rudeWebPage
        /// Accepts the WebSocket, for another protocol.
        case otherProtocol
        /// Accepts the WebSocket with a wrong answer to the client's key.
        case wrongAccept
        /// Sends headers without an end.
        case endlessHeaders
        /// Accepts and says nothing.
        case silent
    }

    let port: UInt16
    var url: String { "ws://127.0.0.1:\(port)" }
    private let listener: Int32
    private let connections = Locked<[Int32]>([])

    init(_ manner: Manner) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        port = try Loopback.listen(listener)
        let thread = Thread { [weak self, listener] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0, let self else { return }
                self.connections.withLock { $0.append(connection) }
                Thread { Self.serve(connection, manner) }.start()
            }
        }
        thread.start()
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        for connection in connections.withLock({ $0 }) { close(connection) }
    }

    private static func serve(_ connection: Int32, _ manner: Manner) {
        switch manner {
        case .silent: return
        case .hangsUp: break
        case .garbage:
            Loopback.write(connection, [0x16, 3, 1, 0, 0xFF] + (0..<2000).map { UInt8(truncatingIfNeeded: $0 * 7) })
        default:
            guard let request = Loopback.readHead(connection) else { break }
            Loopback.write(connection, Array(answer(manner, request).utf8))
            if manner == .endlessHeaders {
                let line = Array("X-More: \(String(repeating: "x", count: 1000))\r\n".utf8)
                while Loopback.write(connection, line) {}
            }
        }
        // The client hangs up on a wrong handshake.
        if manner == .otherProtocol || manner == .wrongAccept { _ = Loopback.read(connection, 1) }
        shutdown(connection, Int32(SHUT_RDWR))
    }

    private static func answer(_ manner: Manner, _ request: String) -> String {
        let key = request.split(separator: "\r\n").first { $0.lowercased().hasPrefix("sec-websocket-key:") }
            .map { $0.split(separator: ":")[1].trimmingCharacters(in: .whitespaces) }
        let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        switch manner {
        case .webPage: return "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        case .rudeWebPage: return "HTTP/1.1 403 No\u{1B}[31mtty\u{9B}2J\r\nContent-Length: 0\r\n\r\n"
        case .otherProtocol:
            let accept = WebSocketKey.accept(key ?? "")
            return "\(upgrade)Sec-WebSocket-Accept: \(accept)\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
        case .wrongAccept:
            return "\(upgrade)Sec-WebSocket-Accept: AAAA\r\nSec-WebSocket-Protocol: sotto.v1\r\n\r\n"
        default: return "HTTP/1.1 200 OK\r\n"
        }
    }
}

/// Plain blocking sockets on the loopback.
enum Loopback {
    /// Binds to any port, listens, and says which port it is.
    static func listen(_ descriptor: Int32) throws -> UInt16 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && Glibc.listen(descriptor, 64) == 0
                    && getsockname(descriptor, address, &length) == 0
            }
        }
        try #require(result)
        return UInt16(bigEndian: address.sin_port)
    }

    /// Connects; negative when nothing listens there.
    static func connect(port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result == 0 { return descriptor }
        close(descriptor)
        return -1
    }

    @discardableResult
    static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Exactly so many bytes; nil at the end.
    static func read(_ descriptor: Int32, _ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while bytes.count < count {
            let got = recv(descriptor, &buffer, min(buffer.count, count - bytes.count), 0)
            guard got > 0 else { return nil }
            bytes += buffer[..<got]
        }
        return bytes
    }

    /// An HTTP head with its empty line.
    static func readHead(_ descriptor: Int32) -> String? {
        var bytes: [UInt8] = []
        while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            guard bytes.count < 16_384, let byte = read(descriptor, 1) else { return nil }
            bytes += byte
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
