/// Prepares texts and queries for the index, so that both are cut into words alike.
///
/// The index takes letters, digits, symbols (emoji are symbols) and private-use characters as parts of words. Scripts written without blanks between words, and
/// emoji, would become one long word: each of their characters becomes a word of its own, and a query for several of them a phrase.
enum SearchText {
    /// How the in-memory table cuts words: case and diacritics do not count.
    static let tokenizer = "unicode61 remove_diacritics 2 categories ''L* N* Co So Sk Sc Sm''"
    /// Longer texts are indexed so far.
    static let maximumIndexed = 256 << 10
    /// Longer queries are cut.
    static let maximumQuery = 1_024
    static let maximumWords = 32

    /// The text as the index gets it.
    static func indexed(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 < 0x80 && $0 != 0 }), text.utf8.count <= maximumIndexed { return text }
        var scalars = String.UnicodeScalarView()
        var size = 0
        for scalar in text.unicodeScalars {
            size += UTF8.width(scalar)
            if size > maximumIndexed { break }
            append(scalar, to: &scalars)
        }
        return String(scalars)
    }

    /// The query in FTS5's language: every word in quotation marks, where nothing has a meaning but the mark itself, and as the beginning of a word. `nil` when nothing
    /// in it can be searched.
    static func query(_ text: String) -> String? {
        var phrases: [String] = []
        var size = 0
        var phrase = String.UnicodeScalarView()
        func finish() {
            if phrase.contains(where: isPartOfWord), phrases.count < maximumWords {
                phrases.append("\"\(String(phrase))\"*")
            }
            phrase = String.UnicodeScalarView()
        }
        for scalar in text.unicodeScalars {
            size += UTF8.width(scalar)
            if size > maximumQuery { break }
            if scalar.properties.isWhitespace {
                finish()
            } else if scalar != "\"" && scalar != "\0" {
                append(scalar, to: &phrase)
            } else {
                phrase.append(" ")
            }
        }
        finish()
        return phrases.isEmpty ? nil : phrases.joined(separator: " ")
    }

    private static func append(_ scalar: Unicode.Scalar, to scalars: inout String.UnicodeScalarView) {
        // A C string ends at NUL.
        if scalar == "\0" { return scalars.append(" ") }
        guard standsAlone(scalar) else { return scalars.append(scalar) }
        scalars.append(" ")
        scalars.append(scalar)
        scalars.append(" ")
    }

    /// Whether the index takes the character as part of a word. Those that only modify others are left out.
    private static func isPartOfWord(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber, .privateUse, .otherSymbol, .modifierSymbol, .currencySymbol, .mathSymbol:
            true
        default: false
        }
    }

    private static func standsAlone(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        // Kana, CJK ideographs with their extensions and compatibility forms, Thai, Lao, Khmer, Myanmar.
        case 0x3040...0x30FF, 0x31F0...0x31FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF,
            0x0E01...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF:
            true
        default: scalar.properties.generalCategory == .otherSymbol
        }
    }
}
