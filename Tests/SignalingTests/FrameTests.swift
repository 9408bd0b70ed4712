import Identity
import NIOCore
import SignalingServer
import TestTools
import Testing
import Wire

@Suite struct FrameTests {
    private static let peer = Array(repeating: UInt8(9), count: 32)

    private static let wrong: [(String, [UInt8])] = [
        ("text", RawConnection.frame(1, [65])),
        ("not masked", [0x82, 1, 0x04]),
        ("reserved bits", [0xC2] + RawConnection.frame(2, [4]).dropFirst()),
        ("unknown opcode", RawConnection.frame(3, [4])),
        ("a ping in fragments", RawConnection.frame(9, [1], fin: false)),
        ("a long ping", RawConnection.frame(9, Array(repeating: 0, count: 126))),
        ("a fragment without a start", RawConnection.frame(0, [4])),
        ("a start within a message", RawConnection.frame(2, [4], fin: false) + RawConnection.frame(2, [4])),
        ("an empty message", RawConnection.frame(2, [])),
        ("CHALLENGE from a client", RawConnection.frame(2, [1])),
        ("WELCOME from a client", RawConnection.frame(2, [3])),
        ("UNREACHABLE from a client", RawConnection.frame(2, [6] + peer + [0])),
        ("GOAWAY from a client", RawConnection.frame(2, [7, 0, 0, 0, 0, 0])),
        ("SIGNAL without payload", RawConnection.frame(2, [4] + peer)),
        ("SIGNAL too long", RawConnection.frame(2, [4] + peer + Array(repeating: 0, count: 16_385))),
        ("RELAY without packets", RawConnection.frame(2, [5] + peer + [0, 1])),
        ("RELAY with segments of nothing", RawConnection.frame(2, [5] + peer + [0, 0, 1])),
        ("RELAY with too many packets", RawConnection.frame(2, [5] + peer + [0, 1] + Array(repeating: 0, count: 129))),
    ]

    @Test(arguments: wrong)
    func closesFor(what: String, bytes: [UInt8]) async throws {
        try await withServer { server in
            let (raw, _) = try await RawConnection.loggedIn(server)
            try await raw.send(bytes)
            #expect(try await raw.readFrame().closeCode == SignalingCloseCode.protocolError.rawValue)
            try await eventually("gone") { server.peers == 0 }
            #expect(server.metrics.value("protocol_errors_total") == 1)
        }
    }

    @Test func closesForFramesAboveTheLimit() async throws {
        try await withServer { server in
            let (early, _) = try await RawConnection.challenged(server)
            try await early.send(2, Array(repeating: 2, count: SignalingFrame.maximumFrameBeforeLogin + 1))
            #expect(try await early.readFrame().closeCode == SignalingCloseCode.frameTooLarge.rawValue)
            let (late, _) = try await RawConnection.loggedIn(server)
            // Only the header: it must not take the rest to refuse. In one piece, because nobody may count on being read
            // after it.
            try await late.send([0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0] + [1, 2, 3, 4])
            #expect(try await late.readFrame().closeCode == SignalingCloseCode.frameTooLarge.rawValue)
            let (fragments, _) = try await RawConnection.loggedIn(server)
            try await fragments.send(2, Array(repeating: 5, count: 60_000), fin: false)
            try await fragments.send(0, Array(repeating: 5, count: 60_000), fin: true)
            #expect(try await fragments.readFrame().closeCode == SignalingCloseCode.frameTooLarge.rawValue)
        }
    }

    @Test func joinsFragmentsAndAnswersPingsBetweenThem() async throws {
        try await withServer { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            let signal = SignalingFrame.signal(peer: key, payload: [1, 2, 3, 4])
            let bytes = try signal.encode()
            try await raw.send(2, Array(bytes[..<10]), fin: false)
            try await raw.send(9, [7, 7])
            try await raw.send(0, Array(bytes[10..<35]), fin: false)
            try await raw.send(0, Array(bytes[35...]))
            #expect(try await raw.readFrame() == RawConnection.Frame(opcode: 10, payload: [7, 7]))
            #expect(try await raw.readFrame().signaling == signal)
        }
    }

    @Test func ignoresAndCountsUnknownTypes() async throws {
        try await withServer { server in
            let (raw, key) = try await RawConnection.loggedIn(server)
            try await raw.send(2, [0x77, 1, 2, 3])
            try await raw.send(.signal(peer: key, payload: [1]))
            #expect(try await raw.readFrame().signaling == .signal(peer: key, payload: [1]))
            #expect(server.metrics.value("unknown_frames_total") == 1)
        }
    }

    @Test func answersACloseFrame() async throws {
        try await withServer { server in
            let (raw, _) = try await RawConnection.loggedIn(server)
            try await raw.send(8, [0x03, 0xE8])
            #expect(try await raw.readFrame().closeCode == 1000)
            #expect(try await raw.readToEnd() == [])
        }
    }

    @Test func survivesALoginCutOrChangedAtEveryByte() async throws {
        try await withServer {
            $0.limits.newConnections = RateLimit(rate: 1e6, burst: 1e6)
            $0.limits.connectionsPerAddress = 4096
        } _: { server in
            let identity = try Identity.generate()
            for index in 0..<107 {
                let (raw, nonce) = try await RawConnection.challenged(server)
                let auth = try RawConnection.auth(identity, nonce: nonce, host: "127.0.0.1").encode()
                var frame = RawConnection.frame(2, auth)
                frame[index % frame.count] ^= UInt8(1 + index)
                try await raw.send(frame)
                if index < auth.count {
                    let (cut, _) = try await RawConnection.challenged(server)
                    try await cut.send(2, Array(auth[..<index]))
                    #expect(try await cut.readFrame().closeCode == SignalingCloseCode.protocolError.rawValue)
                }
            }
            // The last four bytes are the features, which nobody has to know.
            try await eventually("only changed features log in") { (server.metrics.value("logins_total") ?? 0) <= 4 }
            _ = try await RawConnection.loggedIn(server)
        }
    }
}
