/// Text from a server, for people.
enum HarmlessText {
    /// What is printable of the first 160 characters of `text`: no control characters, nothing that changes the direction or
    /// shape of what is around it.
    static func of(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(160).map { isGraphic($0) ? $0 : "?" }))
    }

    private static func isGraphic(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}
