import Testing

@testable import Wire

@Suite struct DisplayTextTests {
    @Test(arguments: [
        ("plain text", "plain text"), ("ünï 漢字 👩‍👩‍👧 🏳️‍🌈", "ünï 漢字 👩‍👩‍👧 🏳️‍🌈"), ("نامه\u{200C}ای", "نامه\u{200C}ای"),
        ("\u{1B}[2Jgone", "[2Jgone"), ("\u{1B}]0;title\u{07}x", "]0;titlex"), ("\u{9B}31mred", "31mred"),
        ("a\u{0}b\u{7F}c\u{80}d\u{9F}e\u{08}f", "abcdef"), ("a\u{202E}b\u{202A}c\u{202D}d\u{202C}e", "abcde"),
        ("a\u{2066}b\u{2067}c\u{2068}d\u{2069}e", "abcde"), ("a\u{200E}b\u{200F}c\u{061C}d", "abcd"),
        ("a\u{E0001}\u{E0041}\u{E007F}b", "ab"), ("a\u{200B}\u{2060}\u{FEFF}\u{00AD}b", "ab"),
        ("a\nb", "a b"), ("a\r\nb", "a b"), ("a\tb", "a b"),
        ("a\u{2028}b\u{2029}c\u{85}d\u{0B}e\u{0C}f", "a b c d e f"),
        ("", ""),
    ])
    func removesWhatCouldDoHarm(text: String, expected: String) {
        #expect(DisplayText.harmless(text) == expected)
        #expect(DisplayText.isHarmless(text) == (text == expected))
        #expect(DisplayText.isHarmless(expected))
    }

    @Test(arguments: [
        ("a\nb", "a\nb"), ("a\r\nb", "a\nb"), ("a\rb", "a\nb"), ("a\u{2028}b", "a\nb"), ("a\n\r\n\nb", "a\n\n\nb"),
        ("a\tb\u{1B}c", "a bc"),
    ])
    func keepsLineEndsWhenAsked(text: String, expected: String) {
        #expect(DisplayText.harmless(text, keepingNewlines: true) == expected)
    }

    @Test func leavesNoControlOfAnyCodePoint() {
        for value in UInt32(0)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator:
                #expect(!DisplayText.isHarmless(String(Character(scalar))))
            default:
                break
            }
            if scalar.properties.isBidiControl {
                #expect(!DisplayText.isHarmless(String(Character(scalar))))
            }
        }
    }
}
