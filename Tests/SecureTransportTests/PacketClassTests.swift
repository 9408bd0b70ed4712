import Paths
import Testing

@testable import SecureTransport

@Suite struct PacketClassTests {
    private let id: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]

    private func classify(_ bytes: [UInt8]) -> PacketClass {
        bytes.withUnsafeBytes(SecureSession.classify)
    }

    private func acceptable(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes(PacketHeader.acceptablePrefix)
    }

    private func initial(token: [UInt8] = [0], body: Int) -> [UInt8] {
        [0xC0, 0, 0, 0, 1, 16] + id + [16] + id + token + [0x40, UInt8(body)] + [UInt8](repeating: 9, count: body)
    }

    private func handshake(body: Int) -> [UInt8] {
        [0xE0, 0, 0, 0, 1, 16] + id + [16] + id + [UInt8(body)] + [UInt8](repeating: 9, count: body)
    }

    @Test func tellsWhomAPacketIsFor() throws {
        let tag = try #require(ConnectionTag(connectionID: id))
        #expect(classify(initial(body: 40)) == .initial(destination: id))
        #expect(classify(handshake(body: 40)) == .tagged(tag))
        #expect(classify([0x40] + id + [0]) == .tagged(tag))
        #expect(classify([0x7F] + id) == .tagged(tag))
        #expect(classify([0x80] + id) == .tagged(tag))
    }

    @Test(arguments: [
        [], [0x40], [0x40, 1, 2, 3], [0x80, 1, 2, 3, 4, 5, 6, 7], [0x00] + [UInt8](repeating: 1, count: 40),
        [0x3F] + [UInt8](repeating: 1, count: 40), [0xC0, 0, 0, 0], [0xC0, 0, 0, 0, 2, 16],
        [0xC0, 0, 0, 0, 1, 255] + [UInt8](repeating: 1, count: 300),
    ])
    func callsEverythingElseOther(bytes: [UInt8]) {
        #expect(classify(bytes) == .other)
    }

    @Test func packetsOfOneSessionThatCameTogetherStayTogether() throws {
        let tag = try #require(ConnectionTag(connectionID: id))
        let mine = [0x41] + id + [1, 2, 3]
        let probe = [0x80] + id + [1, 2, 3]
        let others = [0x41] + id.reversed() + [1, 2, 3]
        let stun = [UInt8](repeating: 0, count: mine.count)
        func run(_ packets: [[UInt8]], segmentSize: Int? = nil) -> (kind: PacketClass, length: Int) {
            packets.flatMap(\.self).withUnsafeBytes {
                SecureSession.classifyRun($0, segmentSize: segmentSize ?? mine.count)
            }
        }
        let size = mine.count
        #expect(run([mine]) == (.tagged(tag), size))
        #expect(run([mine, probe, mine, others, mine]) == (.tagged(tag), 3 * size))
        #expect(run([mine, stun, mine]) == (.tagged(tag), size))
        #expect(run([mine, mine, Array(mine.dropLast(2))]) == (.tagged(tag), 3 * size - 2))
        // Too short for a tag: it stands alone, as all do that are nobody's.
        #expect(run([mine, [0x41, 1, 2]]) == (.tagged(tag), size))
        #expect(run([stun, stun, mine]) == (.other, size))
        #expect(
            run([initial(body: 40), initial(body: 40)], segmentSize: initial(body: 40).count).length
                == initial(body: 40).count)
        #expect(run([mine, mine], segmentSize: 0) == (.tagged(tag), 2 * size))
        #expect(run([[0x41]], segmentSize: 1) == (.other, 1))
    }

    @Test func letsThroughOnlyPacketTypesThatTheProtocolHas() {
        #expect(acceptable(initial(body: 40)) == initial(body: 40).count)
        #expect(
            acceptable(initial(body: 40) + handshake(body: 20)) == initial(body: 40).count + handshake(body: 20).count)
        let short = [0x41] + id + [1, 2, 3]
        #expect(acceptable(handshake(body: 20) + short) == handshake(body: 20).count + short.count)
        let zeroRTT: [UInt8] = [0xD0] + handshake(body: 20).dropFirst()
        let retry: [UInt8] = [0xF0] + handshake(body: 20).dropFirst()
        for other in [zeroRTT, retry, [0, 0, 0], [0x80, 1, 2]] {
            #expect(acceptable(other) == 0)
            #expect(acceptable(initial(body: 40) + other) == initial(body: 40).count)
        }
        #expect(acceptable(initial(token: [1, 7], body: 40)) == 0)
        #expect(acceptable(Array(initial(body: 40).dropLast())) == 0)
    }

    @Test func tagsAreTheFirstEightBytesOfAConnectionID() throws {
        let tag = try #require(ConnectionTag(connectionID: id))
        #expect(tag.bytes == Array(id.prefix(8)))
        #expect(ConnectionTag(connectionID: [1, 2, 3]) == nil)
        #expect(ConnectionTag.random() != ConnectionTag.random())
    }
}
