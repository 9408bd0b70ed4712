// Structures of sockets reach Swift through the headers of libnice.
import CNice
import CSotto
import Glibc
import TestTools
import Testing
import Wire

@testable import ICE

// By number where the system's headers do not say them to Swift.
private let attachChoice: Int32 = 51
private let receiveOffload: Int32 = 104

extension ICETests {
    /// What the kernel hands to whom, with plain sockets in libnice's place: on loopback a datagram is where it belongs when `send` returns.
    @Suite struct Steering {
        @Test(arguments: [IPAddress.v4(127, 0, 0, 1), .v6(0, 0, 0, 0, 0, 0, 0, 1)])
        func sessionPacketsComeToTheSecondSocketAndAllOthersToTheFirst(address: IPAddress) throws {
            let (first, peer) = (try PlainSocket(address), try PlainSocket(address))
            let second = try Second(first, from: peer)
            for byte in UInt8.min...UInt8.max { peer.send([byte, 1, 2], to: first.endpoint) }
            peer.send([], to: first.endpoint)
            #expect(second.packets().map { $0.first } == (0x40...0xFF).map { UInt8($0) })
            #expect(first.packets().compactMap(\.first) == (0..<0x40).map { UInt8($0) })
        }

        /// On the same port, from everywhere: another port, another address, another address with the very port of the peer.
        @Test func strangersNeverReachTheSecondSocket() throws {
            let (first, peer) = (try PlainSocket(loopback), try PlainSocket(loopback))
            let second = try Second(first, from: peer)
            let strangers = [
                try PlainSocket(loopback), try PlainSocket(.v4(127, 0, 0, 2)),
                try PlainSocket(.v4(127, 0, 0, 2), port: peer.endpoint.port),
            ]
            for stranger in strangers { stranger.send([0x40, 9], to: first.endpoint) }
            peer.send([0x40, 1], to: first.endpoint)
            #expect(second.packets() == [[0x40, 1]])
            #expect(first.packets() == [[0x40, 9], [0x40, 9], [0x40, 9]])
        }

        @Test func strangersOfIPv6NeverReachTheSecondSocket() throws {
            let address = IPAddress.v6(0, 0, 0, 0, 0, 0, 0, 1)
            let (first, peer) = (try PlainSocket(address), try PlainSocket(address))
            let second = try Second(first, from: peer)
            try PlainSocket(address).send([0x40, 9], to: first.endpoint)
            #expect(second.packets().isEmpty)
            #expect(first.packets() == [[0x40, 9]])
        }

        /// A stranger's datagram that was there before the choice was in place, or that comes after the first socket is gone.
        @Test func theSecondSocketTakesNothingElseEvenAlone() throws {
            let peer = try PlainSocket(loopback)
            var first: PlainSocket? = try PlainSocket(loopback)
            let endpoint = try #require(first?.endpoint)
            let second = try Second(try #require(first), from: peer)
            first = nil
            second.forgetPair()
            try PlainSocket(loopback).send([0x40, 9], to: endpoint)
            peer.send([0x01, 9], to: endpoint)
            #expect(second.packets().isEmpty)
        }

        @Test func theSecondSocketFollowsANewPairAndLosesNothing() throws {
            let first = try PlainSocket(loopback)
            let peers = try (0..<3).map { _ in try PlainSocket(loopback) }
            let second = try Second(first, from: peers[0])
            for (index, peer) in peers.enumerated() {
                if index > 0 { #expect(second.follow(peer)) }
                for from in peers { from.send([0x40, UInt8(index)], to: first.endpoint) }
                // What was there before a change stays to be read.
                peer.send([0x41, UInt8(index)], to: first.endpoint)
            }
            #expect(second.packets() == (0..<3).flatMap { [[0x40, UInt8($0)], [0x41, UInt8($0)]] })
            #expect(first.packets().count == 6)
        }

        @Test func afterReleaseEverythingGoesToTheFirst() throws {
            let (first, peer) = (try PlainSocket(loopback), try PlainSocket(loopback))
            let second = try Second(first, from: peer)
            peer.send([0x40, 1], to: first.endpoint)
            second.socket.release()
            peer.send([0x40, 2], to: first.endpoint)
            #expect(second.packets() == [[0x40, 1]])
            second.close()
            peer.send([0x40, 3], to: first.endpoint)
            #expect(first.packets() == [[0x40, 2], [0x40, 3]])
        }

        /// One after the other on one port, as pairs come and go.
        @Test func aSecondSocketCanBeOpenedAgain() throws {
            let (first, peer) = (try PlainSocket(loopback), try PlainSocket(loopback))
            for round in 0..<20 {
                let second = try Second(first, from: peer)
                peer.send([0x40, UInt8(round)], to: first.endpoint)
                peer.send([0x00, UInt8(round)], to: first.endpoint)
                #expect(second.packets() == [[0x40, UInt8(round)]])
                #expect(first.packets() == [[0x00, UInt8(round)]])
                second.close()
            }
        }

        @Test func aBurstIsReadAtOnce() throws {
            let (first, peer) = (try PlainSocket(loopback), try PlainSocket(loopback))
            let second = try Second(first, from: peer)
            let burst = (0..<(1200 * 40 + 7)).map { UInt8(truncatingIfNeeded: 0x40 + $0 / 1200) }
            peer.send(burst, segment: 1200, to: first.endpoint)
            let batches = second.batches()
            #expect(batches.map(\.segmentSize) == [1200])
            #expect(batches.map(\.bytes) == [burst])
            second.socket.separate()
            peer.send(burst, segment: 1200, to: first.endpoint)
            #expect(second.packets().map(\.count) == [Int](repeating: 1200, count: 40) + [7])
        }

        @Test func mixedFamiliesAndMappedAddressesAreNotSteered() throws {
            let six = try PlainSocket(.v6(0, 0, 0, 0, 0, 0, 0, 1))
            let four = try PlainSocket(loopback)
            #expect(throws: NotSteered.self) { try Second(six, from: four) }
            #expect(throws: NotSteered.self) { try Second(four, from: six) }
            let mapped = try PlainSocket(.v6(0, 0, 0, 0, 0, 0xFFFF, 0x7F00, 1))
            #expect(throws: NotSteered.self) { try Second(mapped, from: mapped) }
        }

        @Test func relayedPairsAreNotSteered() throws {
            let (first, peer) = (try PlainSocket(loopback), try PlainSocket(loopback))
            func pair(_ local: Candidate.Kind, _ remote: Candidate.Kind) throws -> SelectedPair {
                SelectedPair(
                    local: first.endpoint, remote: peer.endpoint, localType: local, remoteType: remote,
                    socket: try first.pair(with: peer))
            }
            #expect(try pair(.host, .relayed).steerable == nil)
            #expect(try pair(.relayed, .host).steerable == nil)
            #expect(try pair(.serverReflexive, .peerReflexive).steerable != nil)
        }

        #if compiler(>=6.3)
            /// A kernel, or a container, without one of the steps: nothing is steered, nothing is lost, nothing is left open.
            @Test(arguments: [SO_ATTACH_FILTER, SO_REUSEPORT, attachChoice])
            func withoutAnOptionEverythingStaysWithTheFirst(option: Int32) async {
                await #expect(processExitsWith: .success) { [option] in
                    let (first, peer) = (try PlainSocket(loopback), try PlainSocket(loopback))
                    let pair = try first.pair(with: peer)
                    try SocketOption.deny(level: SOL_SOCKET, option: option)
                    let descriptors = Process.descriptors
                    for _ in 1...50 { #expect(pair.steer() == nil) }
                    // The runtime opens some of its own.
                    #expect(Process.descriptors < descriptors + 20)
                    for byte in UInt8.min...UInt8.max { peer.send([byte], to: first.endpoint) }
                    #expect(first.packets().count == 256)
                    // Nobody else may join the port either.
                    #expect(throws: DeadlinePassed.self) { try PlainSocket(loopback, port: first.endpoint.port) }
                }
            }

            /// An option that only makes it faster.
            @Test func withoutUDPGROPacketsComeOneByOne() async {
                await #expect(processExitsWith: .success) {
                    let (first, peer) = (try PlainSocket(loopback), try PlainSocket(loopback))
                    try SocketOption.deny(level: Int32(IPPROTO_UDP), option: receiveOffload)
                    let second = try Second(first, from: peer)
                    peer.send([UInt8](repeating: 0x40, count: 4_000), segment: 1000, to: first.endpoint)
                    #expect(second.packets().map(\.count) == [1000, 1000, 1000, 1000])
                }
            }
        #endif

        /// Beside a live agent: what is not STUN and begins below 0x40 comes through libnice, as before.
        @Test func agentsGoOnBesideTheSecondSocket() async throws {
            let loop = ICELoop()
            let (alice, bob) = (Peer(loop, .controlling), Peer(loop, .controlled))
            let pairs = try await connect(alice, bob)
            let (toBob, toAlice) = (try #require(pairs.alice.socket), try #require(pairs.bob.socket))
            let socket = try #require(toAlice.steer())
            defer { Glibc.close(socket.descriptor) }
            for number in UInt8(0)..<200 {
                #expect([0x40, number].withUnsafeBytes { toBob.send($0, segmentSize: 0) } == .sent)
                if number % 20 == 0 {
                    #expect([0x3F, number].withUnsafeBytes { toBob.send($0, segmentSize: 0) } == .sent)
                }
            }
            #expect(read(socket) == (0..<200).map { [0x40, UInt8($0)] })
            let heard = try await bob.recorder.wait { $0.packets.count == 10 ? $0.packets : nil }
            #expect(heard == (0..<10).map { [0x3F, UInt8($0 * 20)] })
            try await alice.closed()
            try await bob.closed()
        }
    }
}

struct NotSteered: Error {}

/// The packets that a steered socket has.
func read(_ socket: SteeredSocket) -> [[UInt8]] {
    readBatches(socket).flatMap { batch in
        stride(from: 0, to: batch.bytes.count, by: batch.segmentSize).map {
            Array(batch.bytes[$0..<min($0 + batch.segmentSize, batch.bytes.count)])
        }
    }
}

/// All that waits, as it came: one datagram or several of one size.
func readBatches(_ socket: SteeredSocket) -> [(bytes: [UInt8], segmentSize: Int)] {
    var found: [(bytes: [UInt8], segmentSize: Int)] = []
    var buffer = [UInt8](repeating: 0, count: SteeredSocket.maximumRead)
    while let batch = buffer.withUnsafeMutableBytes({ socket.read(into: $0) }) {
        found.append((Array(buffer[..<batch.length]), batch.segmentSize))
    }
    return found
}

/// A steered socket on the address of another, for the packets of a peer.
final class Second {
    let socket: SteeredSocket
    private let first: PlainSocket
    private var pair: PairSocket?
    private var isOpen = true

    init(_ first: PlainSocket, from peer: PlainSocket) throws {
        let pair = try first.pair(with: peer)
        guard let socket = pair.steer() else { throw NotSteered() }
        self.first = first
        self.pair = pair
        self.socket = socket
    }

    deinit { close() }

    func follow(_ peer: PlainSocket) -> Bool {
        pair = try? first.pair(with: peer)
        return pair.map { socket.follow($0) } ?? false
    }

    /// Lets go of the copy of the first socket's descriptor.
    func forgetPair() { pair = nil }

    func packets() -> [[UInt8]] { read(socket) }

    func batches() -> [(bytes: [UInt8], segmentSize: Int)] { readBatches(socket) }

    func close() {
        if isOpen { Glibc.close(socket.descriptor) }
        isOpen = false
    }
}

/// A UDP socket on any address of this machine.
final class PlainSocket {
    let descriptor: Int32
    let endpoint: Endpoint

    init(_ address: IPAddress, port: UInt16 = 0) throws {
        let descriptor = Glibc.socket(address.isV6 ? AF_INET6 : AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        self.descriptor = descriptor
        let bound = SocketAddress(Endpoint(address: address, port: port)).withPointer { bind(descriptor, $0, $1) }
        let name = SocketAddress { address, length in _ = getsockname(descriptor, address, length) }
        guard bound == 0, let endpoint = name.endpoint else {
            Glibc.close(descriptor)
            throw DeadlinePassed()
        }
        self.endpoint = endpoint
    }

    deinit { Glibc.close(descriptor) }

    /// What ICE would say of this socket and a peer.
    func pair(with peer: PlainSocket) throws -> PairSocket {
        try #require(PairSocket(owning: dup(descriptor), remote: SocketAddress(peer.endpoint)))
    }

    func send(_ bytes: [UInt8], segment: UInt16 = 0, to receiver: Endpoint) {
        SocketAddress(receiver).withPointer { address, length in
            if bytes.isEmpty {
                _ = sendto(descriptor, bytes, 0, 0, address, length)
            } else {
                _ = sotto_udp_send(descriptor, address, length, bytes, bytes.count, segment, nil, nil)
            }
        }
    }

    func packets() -> [[UInt8]] {
        var found: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else { return found }
            found.append(Array(buffer[..<count]))
        }
    }
}
