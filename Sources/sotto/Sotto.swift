import ArgumentParser
import Glibc
import Noise

/// The command line. Contract: `docs/command-line.md`.
@main
struct Sotto: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sotto",
        abstract:
            "Private chat with people behind NATs: direct when it can be, relayed when it must, always end-to-end encrypted.",
        discussion: """
            Begin with 'sotto init --server URL'. Exchange invites ('sotto invite', 'sotto add'), then 'sotto chat NAME'.
            Exit status: 0 done, 1 failed, 64 wrong usage.
            """,
        version: "0.1.0",
        subcommands: [
            Init.self, ID.self, InviteCommand.self, Add.self, Contacts.self, Verify.self, Chat.self, Listen.self,
            Send.self,
            Ping.self, Netcheck.self,
        ])

    static func main() async {
        Sodium.initialize()
        signal(SIGPIPE, SIG_IGN)
        await main(LeadingOptions.moved(Array(CommandLine.arguments.dropFirst())))
    }
}

/// Lets the options that every command has also stand before the command: `sotto --home DIR id`.
enum LeadingOptions {
    private static let withValue: Set<String> = [
        "--home", "--passphrase-file", "--passphrase-fd", "--ca-file", "--log-level",
    ]
    private static let flags: Set<String> = ["--json"]

    /// The arguments with such options moved behind the command's name.
    static func moved(_ arguments: [String]) -> [String] {
        var leading: [String] = []
        var rest = arguments[...]
        while let argument = rest.first {
            if withValue.contains(argument), rest.count >= 2 {
                leading += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else if flags.contains(argument) || withValue.contains(where: { argument.hasPrefix($0 + "=") }) {
                leading.append(argument)
                rest = rest.dropFirst()
            } else {
                break
            }
        }
        guard !leading.isEmpty, let command = rest.first, !command.hasPrefix("-") else { return arguments }
        return [command] + leading + rest.dropFirst()
    }
}
