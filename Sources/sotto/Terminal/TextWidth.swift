/// How many columns of a terminal a text takes.
///
/// The unit is the grapheme cluster, which is what the cursor moves over. A cluster is two columns wide if it contains
/// an East Asian wide or full-width scalar, an emoji that is shown as a picture, or a pair of regional indicators; it
/// is zero columns wide if nothing in it is visible; else it is one column wide. Terminals do not all agree on newer
/// emoji and on joined ones (families): such a line may look one column off until it is drawn again.
enum TextWidth {
    /// Columns taken by one grapheme cluster: 0, 1 or 2.
    static func columns(of character: Character) -> Int {
        if let ascii = character.asciiValue { return ascii < 0x20 || ascii == 0x7F ? 0 : 1 }
        var widest = 0
        for scalar in character.unicodeScalars {
            // Variation selector 16 asks for the picture form of what precedes it.
            widest = max(widest, scalar.value == 0xFE0F && widest > 0 ? 2 : columns(of: scalar))
        }
        return widest
    }

    /// Columns taken by a text without line breaks.
    static func columns(of text: some StringProtocol) -> Int {
        text.reduce(0) { $0 + columns(of: $1) }
    }

    private static func columns(of scalar: Unicode.Scalar) -> Int {
        switch scalar.properties.generalCategory {
        case .control, .format, .nonspacingMark, .enclosingMark, .lineSeparator, .paragraphSeparator, .surrogate:
            return 0
        default:
            break
        }
        if scalar.properties.isEmojiPresentation { return 2 }
        return isWide(scalar.value) ? 2 : 1
    }

    private static func isWide(_ value: UInt32) -> Bool {
        guard value >= 0x1100 else { return false }
        var low = 0
        var high = wideRanges.count
        while low < high {
            let middle = (low + high) / 2
            if wideRanges[middle].upperBound < value { low = middle + 1 } else { high = middle }
        }
        return low < wideRanges.count && wideRanges[low].contains(value)
    }

    /// The ranges with East_Asian_Width W or F (Unicode Standard Annex 11), gaps of unassigned code points closed,
    /// without what `isEmojiPresentation` covers. Sorted.
    private static let wideRanges: [ClosedRange<UInt32>] = [
        0x1100...0x115F,  // Hangul leading consonants; vowels and trailing ones join them
        0x2329...0x232A,  // angle brackets
        0x2E80...0x303E,  // CJK radicals, Kangxi, ideographic description, CJK symbols
        0x3041...0x33FF,  // Hiragana to CJK compatibility
        0x3400...0x4DBF,  // CJK extension A
        0x4E00...0x9FFF,  // CJK ideographs
        0xA000...0xA4CF,  // Yi
        0xA960...0xA97F,  // Hangul Jamo extended A
        0xAC00...0xD7A3,  // Hangul syllables
        0xF900...0xFAFF,  // CJK compatibility ideographs
        0xFE10...0xFE19,  // vertical forms
        0xFE30...0xFE6F,  // CJK compatibility forms, small forms
        0xFF01...0xFF60,  // full-width forms
        0xFFE0...0xFFE6,  // full-width signs
        0x16FE0...0x18DFF,  // Tangut, Khitan
        0x1AFF0...0x1B2FF,  // Kana extensions, Nushu
        0x1F200...0x1F265,  // enclosed ideographs
        0x1F300...0x1F320,  // pictographs, as a block where terminals agree
        0x20000...0x3FFFD,  // CJK extensions B and later
    ]
}
