import ArgumentParser
import Testing

@testable import sotto

@Suite struct CommandLineTextTests {
    @Test(arguments: [
        ("bob", "bob"), ("Zoë", "Zoë"), ("a.b-c_d", "a.b-c_d"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"),
        ("$(x)", "'$(x)'"), ("~", "'~'"), ("a!b", "'a!b'"), ("\"", "'\"'"), ("\\", "'\\'"),
    ])
    func quotesForShells(word: String, quoted: String) {
        #expect(ShellText.quoted(word) == quoted)
    }

    @Test func aNameLikeAnOptionStandsBehindTwoHyphens() {
        #expect(ShellText.argument("-c") == "-- -c" && ShellText.argument("bob") == "bob")
    }

    @Test(arguments: [
        ([], []), (["id"], ["id"]), (["--json", "id"], ["id", "--json"]),
        (["--home", "x", "id", "y"], ["id", "--home", "x", "y"]),
        (["--home=x", "--json", "chat", "b"], ["chat", "--home=x", "--json", "b"]), (["--json", "--help"], ["--help"]),
        (["--version"], ["--version"]), (["--json", "help", "chat"], ["help", "chat"]),
        (["id", "--json"], ["id", "--json"]),
    ])
    func movesCommonOptionsBehindTheCommand(arguments: [String], moved: [String]) throws {
        #expect(try LeadingOptions.moved(arguments) == moved)
    }

    @Test(arguments: [["frobnicate"], ["--json"], ["--home"], ["--home", "id"], ["--json", "frobnicate", "id"]])
    func refusesToGuessTheCommand(arguments: [String]) {
        #expect(throws: ValidationError.self) { try LeadingOptions.moved(arguments) }
    }

    @Test func knowsItsCommands() {
        #expect(
            Sotto.commandNames == [
                "init", "id", "invite", "invites", "add", "request", "accept", "contacts", "verify", "rename", "block",
                "unblock", "remove", "chat", "listen", "send", "edit", "delete", "react", "disappear", "history",
                "search",
                "status", "ping", "bench", "netcheck", "settings", "passphrase", "export", "import", "backup", "check",
                "erase",
                "help",
            ])
    }

    @Test func cutsInputIntoLines() {
        var cutter = StandardInput.LineCutter()
        #expect(cutter.take(Array("one\r\ntw".utf8)) == [.text("one")])
        #expect(cutter.take(Array("o\n\n".utf8) + [0xFF, 0x0A]) == [.text("two"), .text(""), .notUTF8])
        #expect(cutter.take([UInt8](repeating: 0x61, count: StandardInput.lineLimit + 1)) == [])
        #expect(cutter.take(Array("\nlast".utf8)) == [.tooLong])
        #expect(cutter.take(nil) == [.text("last")])
        #expect(cutter.take(nil) == [])
    }
}
