import Testing

@testable import sotto

@Suite struct KeyDecoderTests {
    typealias Key = KeyDecoder.Key

    private static let sequences: [(String, [Key])] = [
        ("abc", [.text("abc")]),
        ("a\rb", [.text("a"), .enter, .text("b")]),
        ("\n", [.enter]),
        ("\u{1B}[A\u{1B}[B\u{1B}[C\u{1B}[D", [.up, .down, .right, .left]),
        ("\u{1B}OA\u{1B}OD\u{1B}OH\u{1B}OF", [.up, .left, .home, .end]),
        ("\u{1B}[H\u{1B}[F\u{1B}[1~\u{1B}[4~\u{1B}[7~\u{1B}[8~", [.home, .end, .home, .end, .home, .end]),
        ("\u{1B}[3~\u{1B}[3;5~", [.delete, .killWordForward]),
        ("\u{1B}[1;5C\u{1B}[1;5D\u{1B}[1;3C\u{1B}[1;3D", [.wordRight, .wordLeft, .wordRight, .wordLeft]),
        ("\u{1B}[1;2C\u{1B}Oc\u{1B}Od", [.right, .wordRight, .wordLeft]),
        ("\u{1B}b\u{1B}f\u{1B}d\u{1B}\u{7F}", [.wordLeft, .wordRight, .killWordForward, .killWordBack]),
        ("\u{1B}\r", [.lineBreak]),
        ("\u{1}\u{2}\u{5}\u{6}", [.home, .left, .end, .right]),
        ("\u{3}\u{4}\u{C}\u{1A}", [.interrupt, .endOfInput, .redraw, .suspend]),
        (
            "\u{8}\u{7F}\u{B}\u{15}\u{17}\u{19}",
            [.backspace, .backspace, .killToEnd, .killToStart, .killWordBack, .yank]
        ),
        ("\u{10}\u{E}", [.up, .down]),
        ("\t\u{0}\u{7}", []),
        // Unknown sequences are swallowed whole.
        ("\u{1B}[5~x\u{1B}[?1;2cy\u{1B}[[Az\u{1B}OPw", [.text("xyzw")]),
        // A lone ESC before something typed, and twice.
        ("\u{1B}x", [.text("x")]),
        ("\u{1B}\u{1B}[A", [.up]),
        // A sequence that is cut off by Ctrl-C.
        ("\u{1B}[1;\u{3}", [.interrupt]),
        // An endless sequence.
        ("\u{1B}[" + String(repeating: "1;", count: 100) + "Ax", [.text("x")]),
        // Numbers beyond reason.
        ("\u{1B}[99999999999999999999;99999999999999999999~", []),
        ("\u{1B}[200~two\nlines\u{1B}[A\u{3}\u{1B}[201~!", [.pasted("two\nlines\u{1B}[A\u{3}"), .text("!")]),
        ("\u{1B}[200~\u{1B}[201~", [.pasted("")]),
        ("grün 漢字 👩‍👩‍👧", [.text("grün 漢字 👩‍👩‍👧")]),
    ]

    @Test(arguments: sequences.indices)
    func decodes(index: Int) {
        let (input, expected) = Self.sequences[index]
        var decoder = KeyDecoder()
        #expect(Self.joined(decoder.decode(Array(input.utf8))) == Self.joined(expected))
    }

    @Test(arguments: sequences.indices)
    func decodesTheSameByteByByte(index: Int) {
        let (input, expected) = Self.sequences[index]
        // A byte 3 alone, within a paste, is Ctrl-C.
        guard !input.contains("\u{1B}[200~two") else { return }
        var decoder = KeyDecoder()
        let keys = input.utf8.flatMap { decoder.decode([$0]) }
        #expect(Self.joined(keys) == Self.joined(expected))
    }

    @Test(
        arguments: [
            ([0xFF, 0x61], "\u{FFFD}a"), ([0xC3, 0x61], "\u{FFFD}a"), ([0xC0, 0x80], "\u{FFFD}\u{FFFD}"),
            ([0xED, 0xA0, 0x80], "\u{FFFD}"), ([0xF4, 0x90, 0x80, 0x80], "\u{FFFD}"), ([0x80], "\u{FFFD}"),
            ([0xE6, 0xBC, 0xC3, 0xBC], "\u{FFFD}ü"),
        ] as [([UInt8], String)])
    func replacesWhatIsNotUTF8(bytes: [UInt8], text: String) {
        var decoder = KeyDecoder()
        #expect(Self.joined(decoder.decode(bytes)) == [.text(text)])
    }

    @Test func waitsForTheRestOfACharacter() {
        var decoder = KeyDecoder()
        let bytes = Array("👍".utf8)
        #expect(decoder.decode(bytes[..<3]).isEmpty)
        #expect(decoder.decode(bytes[3...]) == [.text("👍")])
    }

    @Test func letsCtrlCOutOfAPasteThatNeverEnds() {
        var decoder = KeyDecoder()
        #expect(decoder.decode(Array("\u{1B}[200~abc".utf8)).isEmpty)
        #expect(decoder.decode([3]) == [.interrupt])
        #expect(decoder.decode([0x61]) == [.text("a")])
    }

    @Test func boundsAPaste() {
        var decoder = KeyDecoder()
        _ = decoder.decode(Array("\u{1B}[200~".utf8))
        for _ in 0..<40 { _ = decoder.decode([UInt8](repeating: 0x61, count: 50_000)) }
        let keys = decoder.decode(Array("\u{1B}[201~b".utf8))
        guard case .pasted(let text)? = keys.first else { return #expect(Bool(false), "no paste") }
        #expect(text.utf8.count <= KeyDecoder.pasteLimit + 6)
        #expect(keys.last == .text("b"))
    }

    @Test func survivesAnything() {
        var decoder = KeyDecoder()
        var seed: UInt64 = 1
        let interesting = Array("\u{1B}[]O~;0123ABCD200~201".utf8)
        for _ in 0..<50_000 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let random = UInt8(truncatingIfNeeded: seed >> 33)
            let byte = seed >> 62 == 0 ? random : interesting[Int(random) % interesting.count]
            _ = decoder.decode([byte])
        }
        // Whatever the state was: this leads out of it.
        _ = decoder.decode([3])
        _ = decoder.decode([3])
        #expect(decoder.decode([0x61]) == [.text("a")])
    }

    /// Text in pieces is the same as text in one.
    private static func joined(_ keys: [Key]) -> [Key] {
        keys.reduce(into: []) { result, key in
            if case .text(let new) = key, case .text(let old)? = result.last {
                result[result.count - 1] = .text(old + new)
            } else {
                result.append(key)
            }
        }
    }
}
