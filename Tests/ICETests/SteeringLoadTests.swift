// Structures of sockets reach Swift through the headers of libnice.
import CNice
import CSotto
import Glibc
import Testing
import Wire

@testable import ICE

extension ICETests {
    /// Beside a live agent whose second socket gets more than it takes.
    @Suite struct SteeringUnderLoad {
        /// What libnice must see comes to it: checks of anybody, answered, and whatever else of the peer begins below 0x40.
        @Test(arguments: [true, false]) func stunReachesLibnice(secondSocketIsRead: Bool) async throws {
            let loop = ICELoop()
            // Counted as they come: the recorder would have to look through all of them again and again.
            let counts = Locked((below: 0, session: 0))
            let bob = Peer(
                loop, .controlled,
                also: { event in
                    guard case .packet(let packet) = event else { return }
                    counts.withLock { if packet.first == 0x3F { $0.below += 1 } else { $0.session += 1 } }
                })
            let alice = Peer(loop, .controlling)
            let pairs = try await connect(alice, bob)
            let (toBob, atBob) = (try #require(pairs.alice.socket), try #require(pairs.bob.socket))
            let second = try #require(atBob.steer())
            defer { Glibc.close(second.descriptor) }
            let checker = try PlainSocket(loopback)
            let burst = [UInt8](repeating: 0x40, count: 64 * 1000)
            let packet = Array(burst[..<1000])
            var (answers, others, round) = (0, 0, 0)
            let end = ContinuousClock.now + .seconds(loadSeconds)
            while round < 60 || ContinuousClock.now < end {
                for _ in 0..<8 { burst.withUnsafeBytes { _ = toBob.send($0, segmentSize: 1000) } }
                checker.send(bindingRequest(UInt32(truncatingIfNeeded: round)), to: atBob.local)
                #expect(
                    [0x3F, UInt8(truncatingIfNeeded: round)].withUnsafeBytes { toBob.send($0, segmentSize: 0) } == .sent
                )
                if secondSocketIsRead {
                    let isWhole = read(second).allSatisfy { $0 == packet }
                    #expect(isWhole)
                }
                others += 1
                let wanted = others
                try await eventually {
                    answers += checker.packets().count { isAnswer($0, UInt32(truncatingIfNeeded: round)) }
                    return answers == wanted && counts.withLock { $0.below } == wanted
                }
                round += 1
            }
            if loadSeconds > 0 {
                print("\(round) checks answered in \(loadSeconds) s, the second socket read: \(secondSocketIsRead)")
            }
            // And of what was meant for the session, libnice has seen nothing.
            #expect(counts.withLock { $0.session } == 0)
            try await alice.closed()
            try await bob.closed()
        }
    }
}

/// A Binding request that libnice takes for one and refuses, since it shows no password (RFC 8489 §5, §14.7).
private func bindingRequest(_ number: UInt32) -> [UInt8] {
    let id = [UInt8](repeating: 7, count: 8) + bigEndian(number)
    let message: [UInt8] = [0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42] + id
    return message + [0x80, 0x28, 0, 4] + bigEndian(crc32(message) ^ 0x5354_554E)
}

private func isAnswer(_ packet: [UInt8], _ number: UInt32) -> Bool {
    packet.count >= 20 && packet[0] == 1 && packet[1] & 0x10 != 0 && Array(packet[16..<20]) == bigEndian(number)
}

private func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }

private func crc32(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { sum, byte in
        (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value & 1 != 0 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
}
