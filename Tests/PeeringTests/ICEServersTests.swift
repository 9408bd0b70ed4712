import ICE
import Testing
import Wire

@testable import Peering

/// The STUN and TURN servers that a login tells of.
@Suite struct ICEServersTests {
    private static func server(
        _ host: String?, port: UInt16 = 3478, kind: ICEServer.Kind = .stun
    ) throws -> ICEServer {
        ICEServer(kind: kind, host: try host.map { try HostName($0) }, port: port, username: "u", credential: "c")
    }

    @Test func takesAddressesAtOnceAndNamesWhenTheyAreKnown() throws {
        let list = [
            try Self.server("192.0.2.1"), try Self.server("stun.example"), try Self.server(nil, port: 3479),
            try Self.server("turn.example", kind: .turnTCP),
        ]
        let dialed = try IPAddress("198.51.100.7")
        let early = ICEServers(list, dialed: dialed)
        #expect(early.stun.map(\.description) == ["192.0.2.1:3478", "198.51.100.7:3479"])
        #expect(early.turn.isEmpty)
        let known = [
            try HostName("stun.example"): [try IPAddress("192.0.2.8"), try IPAddress("192.0.2.9")],
            try HostName("turn.example"): [try IPAddress("192.0.2.5"), try IPAddress("2001:db8::5")],
        ]
        let late = ICEServers(list, dialed: dialed, known: known)
        #expect(late.stun.map(\.description) == ["192.0.2.1:3478", "192.0.2.8:3478", "198.51.100.7:3479"])
        #expect(late.turn.map(\.endpoint.description) == ["[2001:db8::5]:3478", "192.0.2.5:3478"])
        #expect(late.turn.allSatisfy { $0.tcp && $0.username == "u" && $0.credential == "c" })
    }

    @Test func aNameWithoutAddressIsPassedOver() throws {
        let list = [try Self.server("gone.example"), try Self.server("192.0.2.1", port: 0)]
        #expect(ICEServers(list, dialed: nil, known: [try HostName("gone.example"): []]).stun.isEmpty)
    }

    @Test func asksForEachNameOnceAndForAFewOnly() throws {
        let repeated = try (0..<40).map { try Self.server("host\($0 / 2).example") }
        let names = ICEServers.names(in: repeated + [try Self.server("192.0.2.1"), try Self.server(nil)])
        #expect(names.map(\.text) == (0..<ICEServers.maximumNames).map { "host\($0).example" })
    }
}
