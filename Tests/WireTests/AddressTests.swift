import Testing

@testable import Wire

@Suite struct AddressTests {
    @Test(arguments: [
        ("1.2.3.4", "1.2.3.4"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
        ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:DB8::0001", "2001:db8::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("::ffff:c000:201", "::ffff:192.0.2.1"), ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"), ("0:0:0:0:0:0:0:0", "::"),
    ])
    func printsInTheFormOfRFC5952(text: String, expected: String) throws {
        let address = try IPAddress(text)
        #expect(address.description == expected)
        #expect(try IPAddress(address.description) == address)
        #expect(try IPAddress(bytes: address.bytes) == address)
    }

    @Test(arguments: [
        "", " ", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "+1.2.3.4", "1.2.3.-4", "0x1.2.3.4",
        ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:", "fe80::1%eth0", "[::1]", "1.2.3.4::", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "1::2:3:4:5:6:7:8",
        "::1:", "1:2:3:4:5:1.2.3.4:7", "١.2.3.4",
    ])
    func refusesTextThatIsNoAddress(text: String) {
        #expect(throws: WireError.invalidText) { try IPAddress(text) }
    }

    @Test(arguments: [
        ("0.0.0.0", false), ("0.1.2.3", false), ("224.0.0.1", false), ("239.255.255.250", false),
        ("255.255.255.255", false), ("::", false), ("ff02::1", false), ("::ffff:10.0.0.1", false), ("::7f00:1", false),
        ("127.0.0.1", true), ("10.0.0.1", true), ("::1", true), ("fe80::1", true), ("2001:db8::1", true),
    ])
    func tellsUnicastFromTheRest(text: String, expected: Bool) throws {
        #expect(try IPAddress(text).isUnicast == expected)
    }

    @Test func classifiesAddresses() throws {
        #expect(try IPAddress("127.8.9.1").isLoopback)
        #expect(try IPAddress("::1").isLoopback)
        #expect(try IPAddress("169.254.3.4").isLinkLocal)
        #expect(try IPAddress("febf::1").isLinkLocal)
        #expect(try IPAddress("172.31.0.1").isPrivate)
        #expect(try !IPAddress("172.32.0.1").isPrivate)
        #expect(try IPAddress("fd00::1").isPrivate)
        #expect(try IPAddress("::ffff:1.2.3.4").v4Mapped == .v4(1, 2, 3, 4))
    }

    @Test func refusesAddressesOfOddLength() {
        for count in [0, 3, 5, 15, 17] {
            #expect(throws: WireError.lengthOutOfRange) { try IPAddress(bytes: [UInt8](repeating: 0, count: count)) }
        }
    }

    @Test(arguments: ["1.2.3.4:5", "[2001:db8::1]:65535", "0.0.0.0:0"])
    func printsEndpointsAsTheyWereRead(text: String) throws {
        #expect(try Endpoint(text).description == text)
    }

    @Test(arguments: [
        "", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:+5", "::1:5", "[1.2.3.4]:5", "[::1]5", "[::1]", "a:1",
    ])
    func refusesTextThatIsNoEndpoint(text: String) {
        #expect(throws: WireError.invalidText) { try Endpoint(text) }
    }
}

@Suite struct HostNameTests {
    @Test(arguments: [
        ("Example.ORG", "example.org"), ("example.org.", "example.org"), ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("_sotto.example", "_sotto.example"), ("1a", "1a"),
        ("192.0.2.1", "192.0.2.1"), ("[2001:DB8:0::1]", "2001:db8::1"), ("2001:DB8:0::1", "2001:db8::1"),
        ("::1", "::1"),
    ])
    func bringsNamesIntoNormalForm(name: String, expected: String) throws {
        let host = try HostName(name)
        #expect(host.text == expected)
        #expect(try HostName(host.text) == host)
        #expect(try HostName(host.bracketed) == host)
    }

    @Test(arguments: [
        "", ".", "..", "a..b", ".a", "a..", "-a", "a-", "a b", "a/b", "a@b", "a:1", "bücher.example", "127.1", "0x7f.1",
        "1.2.3.256", "1", "a.0x1", "[1.2.3.4]", "[a]", "[::1", "::1]", "fe80::1%1", "a\u{0}", "a\n", "\u{212A}.example",
        String(repeating: "a", count: 64), String(repeating: "abc.", count: 64),
    ])
    func refusesOddNames(name: String) {
        #expect(throws: WireError.invalidText) { try HostName(name) }
    }
}

@Suite struct ServerURLTests {
    @Test(arguments: [
        ("ws://Example.org", "ws://example.org", 80), ("wss://example.org/", "wss://example.org", 443),
        ("WSS://example.org.:8443/", "wss://example.org:8443", 8443), ("ws://[::1]:8080", "ws://[::1]:8080", 8080),
        ("ws://127.0.0.1:80", "ws://127.0.0.1", 80), ("wss://a:80", "wss://a:80", 80),
    ])
    func readsHostAndPort(text: String, expected: String, port: UInt16) throws {
        let url = try ServerURL(text)
        #expect(url.description == expected)
        #expect(url.port == port)
        #expect(try ServerURL(url.description) == url)
    }

    @Test(arguments: [
        "", "ws://", "ws:///", "wss:/a", "http://a", "https://a", "a", "a:1", "ws://a:", "ws://a:65536", "ws://a:01",
        "ws://a:-1", "ws://u@a", "ws://u:p@a", "ws://a/b", "ws://a//", "ws://a?x", "ws://a/?x", "ws://a#x", " ws://a",
        "ws://a ", "ws://::1", "ws://::1:80", "ws://[::1", "ws://[::1]80", "ws://[a]:1", "ws://a\\b", "ws://a%41",
        "ws://[fe80::1%25eth0]", "wsx://a", "ws://127.1",
    ])
    func refusesAnythingOdd(text: String) {
        #expect(throws: WireError.invalidText) { try ServerURL(text) }
    }

    @Test func refusesPortZero() {
        #expect(throws: WireError.invalidValue) { try ServerURL("ws://a:0") }
    }
}
