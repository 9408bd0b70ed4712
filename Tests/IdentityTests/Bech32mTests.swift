import Testing

@testable import Identity

/// The vectors of BIP 350, section "Test vectors for Bech32m".
@Suite struct Bech32mTests {
    @Test(arguments: [
        "A1LQFN3A", "a1lqfn3a",
        "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
        "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
        "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
        "split1checkupstagehandshakeupstreamerranterredcaperredlc445v", "?1v759aa",
    ])
    func readsTheValidVectors(text: String) throws {
        let (prefix, values) = try Bech32m.decode(text)
        #expect(text.lowercased().hasPrefix(prefix + "1"))
        #expect(values.count == text.utf8.count - prefix.utf8.count - 7)
    }

    @Test(arguments: [
        " 1xj0phk", "\u{7F}1g6xzxy", "\u{80}1vctc34",
        "an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4", "qyrz8wqd2c9m",
        "1qyrz8wqd2c9m", "y1b0jsk6g", "lt1igcx5c0", "in1muywd", "mm1crxm3i", "au1s5cgom", "16plkw9", "1p2gdwpf",
        "a1LQFN3A", "A1lqfn3a", "",
    ])
    func refusesWhatIsMalformed(text: String) {
        #expect(throws: Bech32m.Failure.malformed) { try Bech32m.decode(text) }
    }

    @Test(arguments: [
        "M1VUXWEZ",  // checksum of the prefix in upper case
        "A12UEL5L", "a12uel5l", "?1ezyfcl",  // Bech32 of BIP 173
        "abcdef1l7aum6echk45nj2s0wdvt2fg8x9yrzpqzd3ryx",  // one character changed
    ])
    func refusesWrongChecksums(text: String) {
        #expect(throws: Bech32m.Failure.wrongChecksum) { try Bech32m.decode(text) }
    }

    @Test func survivesRoundTripsOfAnyLength() throws {
        for count in 0...45 {
            let data = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
            let (prefix, values) = try Bech32m.decode(Bech32m.encode(prefix: "x", data: data))
            #expect(prefix == "x")
            #expect(Bech32m.bytes(fromGroups: values) == data)
        }
    }

    @Test func refusesBitsLeftOver() {
        #expect(Bech32m.bytes(fromGroups: []) == [])
        #expect(Bech32m.bytes(fromGroups: [31]) == nil)
        #expect(Bech32m.bytes(fromGroups: [31, 28]) == [0xFF])
        #expect(Bech32m.bytes(fromGroups: [31, 29]) == nil)
        #expect(Bech32m.bytes(fromGroups: [31, 28, 0]) == nil)
    }
}
