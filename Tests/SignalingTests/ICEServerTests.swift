import Foundation
import NIOCore
import TestTools
import Testing
import Wire

@testable import SignalingServer

@Suite struct ICEServerTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../stun-config").standardizedFileURL

    @Test func makesCredentialsAsCoturnChecksThem() {
        // printf %s 1700000000:alice | openssl dgst -sha1 -hmac north -binary | base64
        #expect(
            TURNCredentials.password(username: "1700000000:alice", secret: Array("north".utf8))
                == "Cd/49soE35ICqcJF/bCTn8Z4OyE=")
    }

    @Test func handsOutCredentialsThatExpireAndDifferByPeer() async throws {
        try await withServer {
            let server = try #require(ICEServerList.server(uri: "turn:turn.example.org"))
            $0.turn = TURNConfiguration(servers: [server], secret: Array("0123456789abcdef".utf8), lifetime: .hours(2))
        } _: { server in
            let alice = try TestClient(try server.url)
            let bob = try TestClient(try server.url)
            let atAlice = try #require(try await alice.welcome().iceServers.last)
            let atBob = try #require(try await bob.welcome().iceServers.last)
            #expect(atAlice.kind == .turnUDP && atAlice.host?.text == "turn.example.org" && atAlice.port == 3478)
            #expect(atAlice.expiry == 7200 && atAlice.username != atBob.username)
            let parts = atAlice.username.split(separator: ":")
            let expiry = try #require(Double(parts[0]))
            #expect(abs(expiry - Date().timeIntervalSince1970 - 7200) < 60)
            #expect(parts[1].count == 16 && !alice.key.description.contains(parts[1]))
            #expect(
                atAlice.credential
                    == TURNCredentials.password(username: atAlice.username, secret: Array("0123456789abcdef".utf8)))
        }
    }

    @Test(arguments: [
        ("stun:a.example", ICEServer.Kind.stun, "a.example", UInt16(3478)), ("STUN:a.example:1", .stun, "a.example", 1),
        ("turn:192.0.2.1?transport=udp", .turnUDP, "192.0.2.1", 3478),
        ("turn:[2001:db8::1]:5?transport=tcp", .turnTCP, "2001:db8::1", 5),
        ("turn:[2001:db8::1]", .turnUDP, "2001:db8::1", 3478),
    ])
    func readsURIs(uri: String, kind: ICEServer.Kind, host: String, port: UInt16) throws {
        let server = try #require(ICEServerList.server(uri: uri))
        #expect(server.kind == kind && server.host?.text == host && server.port == port)
    }

    @Test(arguments: [
        "", "a.example", "turns:a.example", "stuns:a.example", "stun:", "stun:a.example:0", "stun::3478", "turn:a?x=y",
        "turn:a?transport=udp?transport=tcp", "stun:a?transport=udp", "http://a", "stun:a b", "turn:2001:db8::1",
    ])
    func refusesURIs(uri: String) {
        #expect(ICEServerList.server(uri: uri) == nil)
    }

    @Test func theListInTheRepositoryIsReadAndMatchesTheDefaults() throws {
        let servers = try ICEServerList.read(Self.folder.appending(path: "ice-servers.json").path)
        #expect(servers.map(\.kind) == [.stun, .turnUDP, .turnTCP])
        #expect(servers.allSatisfy { $0.port == ServerConfiguration.defaultSTUNPort && $0.username.isEmpty })
    }

    @Test func theConfigurationOfCoturnMatches() throws {
        let text = try String(contentsOf: Self.folder.appending(path: "turnserver.conf"), encoding: .utf8)
        var settings: [String: [String]] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: "=", maxSplits: 1).map { String($0) }
            settings[try #require(parts.first), default: []].append(parts.count == 2 ? parts[1] : "")
        }
        #expect(settings["listening-port"] == ["\(ServerConfiguration.defaultSTUNPort)"])
        #expect(settings["use-auth-secret"] != nil && settings["static-auth-secret"]?.count == 1)
        #expect(settings["lt-cred-mech"] == nil && settings["user"] == nil && settings["no-auth"] == nil)
        #expect(settings["no-multicast-peers"] != nil && settings["no-cli"] != nil)
        let denied = try (settings["denied-peer-ip"] ?? []).map { range in
            try range.split(separator: "-").map { try IPAddress(String($0)).bytes }
        }
        for text in [
            "10.1.2.3", "127.0.0.1", "169.254.169.254", "172.20.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1",
            "fe80::1",
        ] {
            let address = try IPAddress(text).bytes
            #expect(
                denied.contains { range in
                    range.allSatisfy { $0.count == address.count }
                        && !address.lexicographicallyPrecedes(range[0])
                        && !range[range.count - 1].lexicographicallyPrecedes(address)
                }, "\(text)")
        }
        let relay = try #require(UInt16(settings["min-port"]?.first ?? ""))
        #expect(relay >= 49_152)
    }

    @Test(arguments: [
        "", "{}", "[]", #"{"iceServers": [{"urls": "http://x"}]}"#, #"{"iceServers": [{}]}"#,
        #"{"iceServers": [{"urls": ["stun:x"], "username": "\#(String(repeating: "u", count: 256))"}]}"#,
    ])
    func refusesWrongLists(text: String) throws {
        let folder = try TemporaryFolder("ice")
        let path = try folder.write("servers.json", text)
        #expect(throws: ServerError.self) { try ICEServerList.read(path) }
        withExtendedLifetime(folder) {}
    }
}
