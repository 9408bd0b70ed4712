import Wire

/// A line that begins with a slash, typed in a chat.
enum ChatCommand: Equatable {
    /// Which message is meant: the last but so many; 1 is the last.
    typealias Back = Int

    /// A message; what was typed is no command.
    case send(String)
    case reply(Back, String)
    case edit(Back, String)
    case delete(Back)
    case react(Back, String)
    case search(String)
    case history(Int)
    /// Seconds; `nil` lets messages stay.
    case disappear(UInt32?)
    case verify(confirmed: Bool)
    case help
    case quit
    /// What was typed cannot be carried out; why.
    case wrong(String)

    static let helpText = """
        /reply [^N] TEXT      answer their last message, or with ^2, ^3 … one before it
        /edit [^N] TEXT       replace the text of your last message
        /delete [^N]          delete your last message, here and there
        /react [^N] [EMOJI]   react to their last message; without EMOJI the reaction is taken back
        /search WORDS         find messages of this conversation
        /history [N]          show the last N messages again
        /disappear TIME|off   let messages disappear so long after reading: 30s, 5m, 12h, 7d, 4w
        /verify [yes]         show the safety number; yes: it was the same
        /quit                 leave
        //TEXT                a message that begins with a slash
        """

    /// What a typed line means. Every line means something.
    init(_ line: String) {
        guard line.hasPrefix("/") else {
            self = .send(line)
            return
        }
        guard !line.hasPrefix("//") else {
            self = .send(String(line.dropFirst()))
            return
        }
        let end = line.firstIndex(where: \.isWhitespace) ?? line.endIndex
        let rest = String(line[end...].drop(while: \.isWhitespace))
        self = Self.command(String(line[..<end]), rest)
    }

    private static func command(_ word: String, _ rest: String) -> ChatCommand {
        switch word {
        case "/reply", "/edit", "/delete", "/react": return onMessage(word, rest)
        case "/search": return rest.isEmpty ? .wrong("/search WORDS") : .search(rest)
        case "/history":
            if rest.isEmpty { return .history(20) }
            guard let count = Int(rest), (1...1000).contains(count) else { return .wrong("/history takes 1 to 1000") }
            return .history(count)
        case "/disappear":
            if rest == "off" { return .disappear(nil) }
            guard let seconds = DurationText.seconds(rest) else {
                return .wrong("/disappear takes 30s, 5m, 12h, 7d or off")
            }
            return .disappear(seconds)
        case "/verify":
            guard rest.isEmpty || rest == "yes" else { return .wrong("/verify, or /verify yes") }
            return .verify(confirmed: rest == "yes")
        case "/help", "/?": return .help
        case "/quit", "/exit", "/q": return .quit
        default:
            return .wrong(
                "there is no command \(DisplayText.harmless(word)): /help lists them; a message that begins with a slash begins with two"
            )
        }
    }

    private static func onMessage(_ word: String, _ rest: String) -> ChatCommand {
        var back = 1
        var text = Substring(rest)
        if text.first == "^" {
            let digits = text.dropFirst().prefix { !$0.isWhitespace }
            guard let number = Int(digits), (1...1000).contains(number) else {
                return .wrong("^ takes a number: ^2 is the last message but one")
            }
            back = number
            text = text.dropFirst(1 + digits.count).drop(while: \.isWhitespace)
        }
        switch word {
        case "/react": return .react(back, String(text))
        case "/delete": return text.isEmpty ? .delete(back) : .wrong("/delete, or /delete ^2")
        case "/edit": return text.isEmpty ? .wrong("/edit TEXT") : .edit(back, String(text))
        default: return text.isEmpty ? .wrong("/reply TEXT") : .reply(back, String(text))
        }
    }
}
