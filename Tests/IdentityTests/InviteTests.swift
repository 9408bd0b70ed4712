import Testing
import Wire

@testable import Identity

@Suite struct InviteTests {
    static let token = "AAECAwQFBgcICQoLDA0ODw"
    static let plain = "sotto:\(Sample.text1)@example.org?t=\(token)"

    static func invite(_ server: String, name: String? = nil) throws -> Invite {
        try Invite(
            peerID: PeerID(text: Sample.text1), server: ServerURL(server), token: (0..<16).map { UInt8($0) }, name: name
        )
    }

    @Test(
        arguments: [
            ("wss://example.org", nil, "example.org?t=\(token)"),
            ("wss://example.org:8443", "Ann", "example.org:8443?t=\(token)&n=Ann"),
            ("ws://127.0.0.1:8080", "Ann", "127.0.0.1:8080?t=\(token)&n=Ann&s=ws"),
            ("ws://[::1]", nil, "[::1]?t=\(token)&s=ws"),
            ("wss://[2001:db8::1]:1", "Zoë & Ünal~", "[2001:db8::1]:1?t=\(token)&n=Zo%C3%AB%20%26%20%C3%9Cnal~"),
            ("wss://a", "👩‍👩‍👧", "a?t=\(token)&n=%F0%9F%91%A9%E2%80%8D%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7"),
        ] as [(String, String?, String)])
    func writesAndReadsItsURI(server: String, name: String?, end: String) throws {
        let invite = try Self.invite(server, name: name)
        let uri = "sotto:\(Sample.text1)@\(end)"
        #expect(invite.uri == uri)
        #expect(try Invite(uri) == invite)
        #expect(uri.utf8.count <= Invite.maximumLength)
    }

    @Test(
        arguments: [
            ("", InviteError.notAnInvite), ("hello", .notAnInvite), ("SOTTO:x", .notAnInvite),
            (" " + plain, .notAnInvite),
            ("https://example.org", .notAnInvite), ("sotto:" + String(repeating: "a", count: 700), .notAnInvite),
            ("sotto:", .malformed), ("sotto:\(Sample.text1)", .malformed),
            ("sotto:\(Sample.text1)?t=\(token)", .malformed),
            ("sotto:\(Sample.text1)@example.org", .malformed),
            ("sotto://\(Sample.text1)@a?t=\(token)", .peerID(.malformed)),
            ("sotto:@example.org?t=\(token)", .peerID(.malformed)),
            ("sotto:\(Sample.text1.replacing("q3t2", with: "q3t3"))@a?t=\(token)", .peerID(.mistyped)),
            ("sotto:\(Sample.text1.uppercased())@example.org?t=\(token)", .malformed),
            ("sotto:\(Sample.text1)@?t=\(token)", .server), ("sotto:\(Sample.text1)@a b?t=\(token)", .server),
            ("sotto:\(Sample.text1)@user@a?t=\(token)", .server), ("sotto:\(Sample.text1)@a/?t=\(token)", .server),
            ("sotto:\(Sample.text1)@a:?t=\(token)", .server), ("sotto:\(Sample.text1)@a:0?t=\(token)", .server),
            ("sotto:\(Sample.text1)@a:65536?t=\(token)", .server), ("sotto:\(Sample.text1)@::1?t=\(token)", .server),
            ("sotto:\(Sample.text1)@[::1?t=\(token)", .server), ("sotto:\(Sample.text1)@127.1?t=\(token)", .server),
            ("sotto:\(Sample.text1)@a:443?t=\(token)", .malformed), ("sotto:\(Sample.text1)@A?t=\(token)", .malformed),
            ("sotto:\(Sample.text1)@a.?t=\(token)", .malformed),
            ("sotto:\(Sample.text1)@[0::1]?t=\(token)", .malformed),
            ("sotto:\(Sample.text1)@a?n=Ann", .token), ("sotto:\(Sample.text1)@a?", .malformed),
            ("sotto:\(Sample.text1)@a?t=", .token), ("sotto:\(Sample.text1)@a?t=\(token)==", .token),
            ("sotto:\(Sample.text1)@a?t=\(token.dropLast())", .token), ("sotto:\(Sample.text1)@a?t=\(token)AA", .token),
            ("sotto:\(Sample.text1)@a?t=AAECAwQFBgcICQoLDA0ODx", .token),
            ("sotto:\(Sample.text1)@a?t=AAECAwQFBgcICQoLDA0OD+", .token),
            (plain + "&t=\(token)", .malformed), (plain + "&n=A&n=B", .malformed), (plain + "&N=A", .malformed),
            (plain + "&x=1", .malformed), (plain + "&", .malformed), (plain + "&n", .malformed), (plain + "#f", .token),
            (plain + "&T=\(token)", .malformed), (plain + "&s=wss", .malformed), (plain + "&s=ws&s=ws", .malformed),
            (plain + "&s=ws&n=Ann", .malformed), ("sotto:\(Sample.text1)@a?n=Ann&t=\(token)", .malformed),
            (plain + "&n=", .name), (plain + "&n=%", .name), (plain + "&n=%4", .name), (plain + "&n=%GG", .name),
            (plain + "&n=%c3%ab", .name), (plain + "&n=%FF", .name), (plain + "&n=%C0%80", .name),
            (plain + "&n=%00", .name),
            (plain + "&n=%1B%5B2J", .name), (plain + "&n=A%0AB", .name), (plain + "&n=A%09B", .name),
            (plain + "&n=%E2%80%AEA", .name), (plain + "&n=%E2%81%A6A", .name), (plain + "&n=A%C2%9BB", .name),
            (plain + "&n=%20A", .name), (plain + "&n=A%20", .name),
            (plain + "&n=\(String(repeating: "A", count: 65))", .name),
            (plain + "&n=%41", .malformed), (plain + "&n=A+B", .malformed), (plain + "&n=A B", .malformed),
            (plain + "&n=Zoë", .malformed), (plain + "&n=A=B", .malformed), (plain + "\n", .token),
        ] as [(String, InviteError)])
    func refusesAnythingOdd(text: String, expected: InviteError) {
        #expect(throws: expected) { try Invite(text) }
    }

    @Test func everyCutAndEveryChangedCharacterIsRefusedOrAnotherInvite() throws {
        let text = Array(try Self.invite("wss://example.org:8443", name: "Ann").uri.utf8)
        for index in text.indices {
            _ = try? Invite(String(decoding: text.prefix(index), as: UTF8.self))
            for value in UInt8.min...UInt8.max where value != text[index] {
                var changed = text
                changed[index] = value
                let string = String(decoding: changed, as: UTF8.self)
                if let invite = try? Invite(string) {
                    #expect(invite.uri == string)
                    #expect(index >= 6 + PeerID.textLength)
                }
            }
        }
    }

    @Test func itsDescriptionKeepsTheTokenSecret() throws {
        let invite = try Self.invite("wss://example.org")
        #expect(!"\(invite)".contains(Self.token))
        #expect(!String(reflecting: invite).contains(Self.token))
    }

    @Test func checksTheParts() throws {
        let (peer, server) = (try PeerID(text: Sample.text1), try ServerURL("wss://a"))
        #expect(throws: InviteError.token) { try Invite(peerID: peer, server: server, token: [1], name: nil) }
        for name in ["", " A", "A ", "\u{A0}A", "A\u{202E}", String(repeating: "é", count: 33)] {
            #expect(throws: InviteError.name) {
                try Invite(peerID: peer, server: server, token: Invite.makeToken(), name: name)
            }
        }
        #expect(Invite.makeToken() != Invite.makeToken())
    }
}

@Suite struct Base64URLTests {
    @Test(
        arguments: [
            ([], ""), ([0x66], "Zg"), ([0x66, 0x6F], "Zm8"), ([0x66, 0x6F, 0x6F], "Zm9v"),
            ([0xFB, 0xEF, 0xFF], "--__"),
        ] as [([UInt8], String)])
    func writesAndReadsTheVectorsOfRFC4648(bytes: [UInt8], text: String) {
        #expect(Base64URL.encode(bytes) == text)
        #expect(Base64URL.decode(text.utf8) == bytes)
    }

    @Test(arguments: ["Z", "Zh", "Zm9", "Zg==", "Zm9vZ", "+/", "Z g", "é"])
    func refusesOtherText(text: String) {
        #expect(Base64URL.decode(text.utf8) == nil)
    }
}
