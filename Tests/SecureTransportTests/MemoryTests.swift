import Glibc
import Noise
import Paths
import Testing

@testable import SecureTransport

@Suite(.serialized) struct MemoryTests {
    /// Resident memory of this process in bytes.
    private func residentBytes() throws -> Int {
        let file = try #require(fopen("/proc/self/statm", "r"))
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 200)
        try #require(fgets(&line, CInt(line.count), file) != nil)
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let fields = text.split(separator: " ")
        return try #require(Int(fields[1])) * sysconf(CInt(_SC_PAGESIZE))
    }

    private func oneSession(_ index: Int) throws {
        let network = try VirtualNetwork(seed: UInt64(index))
        try #require(network.connect())
        let stream = try network.client.session.openStream()
        network.client.send(pattern(20_000), on: stream)
        network.run(for: .milliseconds(100))
        network.client.session.updateKeys()
        if index % 2 == 0 {
            network.client.session.close(code: 0, reason: "", now: network.now)
            network.run(for: .milliseconds(100))
        }
    }

    @Test func aThousandSessionsLeaveNothingBehind() throws {
        for index in 0..<100 { try oneSession(index) }
        // Other tests run meanwhile and their memory is counted too, but not in every round; a session that leaves
        // something behind (each holds 100 KB and more) would show in all of them.
        var growths: [Int] = []
        for round in 0..<5 {
            let before = try residentBytes()
            for index in 0..<200 { try oneSession(round * 200 + index) }
            growths.append(try residentBytes() - before)
        }
        #expect(try #require(growths.min()) < 4 << 20, "\(growths)")
    }

    @Test func manyStreamsOneAfterAnotherDoNotAddUp() throws {
        let network = try VirtualNetwork()
        try #require(network.connect())
        let server = try #require(network.server)
        server.keepsBytes = false
        network.client.keepsBytes = false
        for round in 0..<2000 {
            let stream = try network.client.session.openStream()
            network.client.send(pattern(100), on: stream, finish: true)
            network.run(for: .seconds(1)) { server.finished.contains(stream) }
            server.send([1], on: stream, finish: true)
            network.run(for: .seconds(1)) { network.client.finished.contains(stream) }
            if round % 100 == 99 {
                network.run(for: .milliseconds(100))
                #expect(network.client.session.connection.streams.isEmpty)
                #expect(server.session.connection.streams.isEmpty)
            }
        }
    }
}
