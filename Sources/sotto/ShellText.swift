/// Text as a command line must have it, for commands that the user may copy.
enum ShellText {
    /// The word as it is if no shell could take it for something else, or else in single quotes.
    static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || byte >= 0x80 || Array("_.,:/@%+=-".utf8).contains(byte)
        }
        if isPlain, !word.isEmpty { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    /// A contact's name as the argument of a command, also when it begins like an option.
    static func argument(_ name: String) -> String { (name.hasPrefix("-") ? "-- " : "") + quoted(name) }
}
