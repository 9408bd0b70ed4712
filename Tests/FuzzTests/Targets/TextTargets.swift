import Wire

@testable import Identity

/// What people type, paste or scan, and text that a peer sends to be shown.
extension FuzzTarget {
    static let text = [serverURL, invite, peerID, displayText]

    /// A peer id that is somebody's: all its checks pass.
    static func samplePeerID(_ seed: UInt8 = 1) throws -> PeerID {
        try FuzzKeys.identity(seed).peerID
    }

    private static let serverURL = FuzzTarget("server-url", maximumLength: 300) {
        [
            "wss://chat.example", "ws://192.0.2.1:8080/", "WSS://[2001:db8::1]:443", "wss://xn--bcher-kva.example:1",
            "[::ffff:192.0.2.1]:9", "2001:db8:0:0:1::", "127.1", "a_b.c-d.example.", "192.0.2.1:5",
        ].map { Array($0.utf8) }
    } run: { bytes in
        guard let text = String(validating: bytes, as: UTF8.self) else { return }
        if let url = try? ServerURL(text) {
            try check(try ServerURL(url.description) == url, "a server's URL can be read back")
            try check(try ServerURL(url.description).description == url.description, "and has one normal form")
        }
        if let host = try? HostName(text) {
            try check(try HostName(host.text) == host, "a host name can be read back")
            try check(try HostName(host.bracketed) == host, "with brackets, too")
            try check(host.text.utf8.count <= 253, "a host name has a limit")
            try check(host.text.utf8.allSatisfy { (0x21...0x7E).contains($0) }, "a host name is plain ASCII")
        }
        if let address = try? IPAddress(text) {
            try check(try IPAddress(address.description) == address, "an address can be read back")
            try check(try IPAddress(bytes: address.bytes) == address, "as bytes, too")
        }
        if let endpoint = try? Endpoint(text) {
            try check(try Endpoint(endpoint.description) == endpoint, "an endpoint can be read back")
        }
    }

    private static let invite = FuzzTarget("invite", maximumLength: 700) {
        let token = (0..<16).map { UInt8($0) }
        let servers = ["wss://chat.example", "ws://192.0.2.1:8080", "wss://[2001:db8::1]"]
        return try servers.flatMap { server in
            try ["Bob", "Bärbel 🦊", nil].map { name in
                let invite = try Invite(
                    peerID: try samplePeerID(), server: try ServerURL(server), token: token, name: name)
                return Array(invite.uri.utf8)
            }
        }
    } run: { bytes in
        guard let text = String(validating: bytes, as: UTF8.self), let invite = try? Invite(text) else { return }
        try check(Array(invite.uri.utf8) == bytes, "there is one way to write an invite")
        try check(try Invite(invite.uri) == invite, "an invite can be read back")
        try check(invite.name.map(DisplayText.isHarmless) ?? true, "a name is fit to be shown")
    }

    /// First byte odd: the rest becomes the data of a text whose checksum is right. Else it is the text.
    private static let peerID = FuzzTarget("peer-id", maximumLength: 120) {
        let peer = try samplePeerID()
        let texts = [peer.description, peer.description.uppercased(), "A1LQFN3A", "sotto1qqqqqqqq"]
        return texts.map { [0] + Array($0.utf8) } + [[1] + peer.bytes, [1] + [UInt8](repeating: 0, count: 32)]
    } run: { bytes in
        guard let mode = bytes.first else { return }
        let data = Array(bytes.dropFirst())
        if mode & 1 == 1 {
            let text = Bech32m.encode(prefix: PeerID.prefix, data: data)
            guard text.utf8.count <= 90 else { return }
            let decoded = try Bech32m.decode(text)
            try check(decoded.prefix == PeerID.prefix, "the prefix is read back")
            try check(Bech32m.bytes(fromGroups: decoded.values) == data, "the data is read back")
            try check((try? PeerID(text: text)) == (try? PeerID(bytes: data)), "text and bytes mean the same key")
        }
        guard let text = String(validating: data, as: UTF8.self), let peer = try? PeerID(text: text) else { return }
        try check(text.utf8.count == PeerID.textLength, "every peer id has the same length")
        try check(peer.description == text.lowercased(), "a peer id has one text form but for its case")
        try check(try PeerID(text: peer.description) == peer, "a peer id can be read back")
        try check(try PeerID(bytes: peer.bytes) == peer, "as bytes, too")
    }

    private static let displayText = FuzzTarget("display-text", maximumLength: 300) {
        [
            "plain", "a\r\nb\tc\u{1B}[31m", "\u{202E}gpj.exe", "\u{200D}👩‍👩‍👧\u{FE0F}", "\u{E0041}\u{FFFE}\u{2028}",
        ].map { Array($0.utf8) }
    } run: { bytes in
        let text = String(decoding: bytes, as: UTF8.self)
        for keepingNewlines in [false, true] {
            let shown = DisplayText.harmless(text, keepingNewlines: keepingNewlines)
            let again = DisplayText.harmless(shown, keepingNewlines: keepingNewlines)
            try check(Array(shown.utf8) == Array(again.utf8), "once is enough")
            for scalar in shown.unicodeScalars where !(keepingNewlines && scalar == "\n") {
                let properties = scalar.properties
                let harmful: Set<Unicode.GeneralCategory> = [.control, .lineSeparator, .paragraphSeparator, .surrogate]
                try check(!harmful.contains(properties.generalCategory), "no controls: \(scalar.value)")
                try check(!properties.isBidiControl, "no control of the reading order: \(scalar.value)")
                try check(!properties.isNoncharacterCodePoint, "no noncharacters: \(scalar.value)")
            }
            if !keepingNewlines { try check(DisplayText.isHarmless(shown), "what was made harmless is harmless") }
        }
        let isHarmless = DisplayText.isHarmless(text)
        try check(
            isHarmless == (Array(DisplayText.harmless(text).utf8) == Array(text.utf8)),
            "harmless text is what stays as it is")
    }
}
