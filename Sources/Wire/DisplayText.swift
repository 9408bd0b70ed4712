/// Text from outside, made fit for a terminal or a log. Whatever a peer or a server wrote goes through here before a
/// person sees it: control sequences cannot reach the terminal, the reading order cannot be turned, nothing is hidden.
package enum DisplayText {
    /// `text` without what could do harm.
    ///
    /// Removed: C0 and C1 controls with ESC and DEL; marks, embeddings, overrides and isolates of the bidirectional
    /// algorithm; tag characters; invisible characters without use in writing; noncharacters. Kept: zero-width joiner
    /// and non-joiner (Persian, Indic scripts, emoji) and variation selectors. Line ends of any kind become `\n` when
    /// `keepingNewlines`, else a space; so does a tab.
    package static func harmless(_ text: String, keepingNewlines: Bool = false) -> String {
        var result = String.UnicodeScalarView()
        var previous: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            defer { previous = scalar }
            if isLineEnd(scalar) {
                if scalar == "\n", previous == "\r" { continue }
                result.append(keepingNewlines ? "\n" : " ")
            } else if scalar == "\t" {
                result.append(" ")
            } else if !isHarmful(scalar) {
                result.append(scalar)
            }
        }
        return String(result)
    }

    /// Whether `harmless(text)` would leave every scalar of `text` as it is.
    package static func isHarmless(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { !isHarmful($0) && !isLineEnd($0) && $0 != "\t" }
    }

    private static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x0A...0x0D, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }

    private static func isHarmful(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00...0x1F, 0x7F...0x9F: true  // C0, DEL, C1
        case 0x061C, 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true  // bidi
        case 0x00AD, 0x180E, 0x200B, 0x2060...0x2065, 0x206A...0x206F, 0xFEFF: true  // invisible
        case 0xFFF9...0xFFFB: true  // interlinear annotation
        case 0xE0000...0xE007F: true  // tags
        default: scalar.value & 0xFFFE == 0xFFFE || (0xFDD0...0xFDEF).contains(scalar.value)  // noncharacters
        }
    }
}
