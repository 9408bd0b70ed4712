import Glibc
import Testing
import Wire

@testable import ICE

@Suite struct SocketSetTests {
    private static let loopback = IPAddress.v4(127, 0, 0, 1)

    private func endpoint(_ set: SocketSet, _ socket: Int) -> Endpoint {
        Endpoint(address: Self.loopback, port: set.port(of: socket))
    }

    /// Datagrams on the loopback are there when `sendto` has returned.
    private func receive(_ set: SocketSet, _ count: Int) -> [SocketSet.Datagram] {
        var found: [SocketSet.Datagram] = []
        for _ in 0..<10_000 where found.count < count { found += set.receive() }
        return found
    }

    @Test func tellsWhichSocketADatagramCameTo() {
        let (set, other) = (SocketSet(), SocketSet())
        for _ in 0..<256 { #expect(set.open()) }
        #expect(other.open() && set.count == 256)
        #expect(Set((0..<256).map { set.port(of: $0) }).count == 256)
        for socket in [0, 100, 255] {
            other.send([UInt8(socket)], to: endpoint(set, socket), from: 0)
        }
        let found = receive(set, 3)
        #expect(found.map(\.socket).sorted() == [0, 100, 255])
        #expect(found.allSatisfy { $0.bytes == [UInt8($0.socket)] && $0.from == endpoint(other, 0) })
        #expect(set.receive().isEmpty)
    }

    @Test func readsABoundedNumberAtATime() {
        let (set, other) = (SocketSet(), SocketSet())
        #expect(set.open() && other.open())
        for value in 0..<10 as Range<UInt8> { other.send([value], to: endpoint(set, 0), from: 0) }
        #expect(set.receive(maximum: 4).count == 4)
        #expect(receive(set, 6).count == 6)
    }

    @Test func givesASocketAwayAndReadsItNoMore() throws {
        let (set, other) = (SocketSet(), SocketSet())
        #expect(set.open() && set.open() && other.open())
        let (own, remote) = (endpoint(set, 1), endpoint(other, 0))
        let taken = try #require(set.take(1, remote: remote))
        defer { SocketSet.close(taken.receiver) }
        #expect(taken.sender.remote == remote && taken.sender.local.port == own.port)
        #expect(set.take(1, remote: remote) == nil && set.port(of: 1) == 0)
        ([1, 2, 3] as [UInt8]).withUnsafeBytes { _ = taken.sender.send($0, segmentSize: 0) }
        #expect(receive(other, 1).first?.from == own)
        // What the peer's session sends comes, nothing else of the peer, and nothing of others.
        #expect(other.open())
        other.send([7], to: own, from: 0)
        other.send([0x41], to: own, from: 1)
        other.send([0x42], to: own, from: 0)
        #expect(set.receive().isEmpty)
        #expect(readBatches(taken.receiver).map(\.bytes) == [[0x42]])
        // The set goes, the socket stays.
        set.send([9], to: remote, from: 1)
        #expect(other.receive().isEmpty)
    }

    @Test func aBurstToASocketThatWasGivenAwayIsReadAtOnce() throws {
        let (set, other) = (SocketSet(), SocketSet())
        #expect(set.open() && other.open())
        let ends = (endpoint(set, 0), endpoint(other, 0))
        let taken = try #require(set.take(0, remote: ends.1))
        let sending = try #require(other.take(0, remote: ends.0))
        defer { for receiver in [taken.receiver, sending.receiver] { SocketSet.close(receiver) } }
        let burst = (0..<(1200 * 40 + 7)).map { UInt8(truncatingIfNeeded: 0x40 + $0 / 1200) }
        #expect(burst.withUnsafeBytes { sending.sender.send($0, segmentSize: 1200) } == .sent)
        #expect(readBatches(taken.receiver).map(\.bytes) == [burst])
    }

    @Test func ignoresSocketsThatAreNotThere() {
        let set = SocketSet()
        #expect(set.port(of: 0) == 0 && set.port(of: -1) == 0)
        set.send([1], to: Endpoint(address: Self.loopback, port: 9), from: 5)
        #expect(set.take(0, remote: Endpoint(address: Self.loopback, port: 9)) == nil)
        #expect(set.receive().isEmpty)
    }
}
