import Foundation

/// What of a name a reader notices. Two names of one likeness would be taken for each other, so a book has only one of them: who comes with
/// an invite chooses the name it wants to be known by, and could otherwise call itself like somebody the user trusts.
///
/// Case, compatibility forms, blanks and what is not drawn at all do not count, nor do Cyrillic and Greek letters and the digits that look
/// like Latin letters. Not a full table of confusables (Unicode Technical Standard 39): what a name cannot show, a safety number does.
enum NameLikeness {
    /// The likeness of a name; empty when nothing of it can be seen.
    static func of(_ name: String) -> String {
        var seen = String.UnicodeScalarView()
        for scalar in name.precomposedStringWithCompatibilityMapping.lowercased().unicodeScalars
        where !isInvisible(scalar) {
            seen.append(alike[scalar] ?? scalar)
        }
        return String(seen)
    }

    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        // U+2800 is the Braille pattern without dots.
        scalar.properties.isDefaultIgnorableCodePoint || scalar.properties.isWhitespace || scalar.value == 0x2800
    }

    private static let alike: [Unicode.Scalar: Unicode.Scalar] = {
        let pairs: [(String, String)] = [
            ("асԁеһіјӏорԛѕυԝхуᴠ", "acdehijlopqsuwxyv"),
            ("αεικνορτυχγ", "aeikvoptuxy"),
            ("01|ıɑɡ", "olliag"),
        ]
        var table: [Unicode.Scalar: Unicode.Scalar] = [:]
        for (others, latin) in pairs {
            for (other, letter) in zip(others.unicodeScalars, latin.unicodeScalars) { table[other] = letter }
        }
        return table
    }()
}
