import ArgumentParser
import GatewayHelper
import Glibc
import Noise
import Wire

/// The command line. Contract: `docs/command-line.md`.
@main
struct Sotto: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sotto",
        abstract:
            "Private chat with people behind NATs: direct when it can be, relayed when it must, always end-to-end encrypted.",
        usage: "sotto [--home DIR] [--json] COMMAND …",
        discussion: """
            Begin with 'sotto init --server URL'. Exchange invites ('sotto invite', 'sotto add'), then 'sotto chat NAME'.
            Every command takes --home DIR, --json, --passphrase-file FILE, --passphrase-fd NUMBER and --log-level LEVEL, also before \
            its name.
            Exit status: 0 done, 1 failed, 64 wrong usage.
            """,
        version: "0.1.0",
        subcommands: [
            Init.self, ID.self, InviteCommand.self, Invites.self, Add.self, Request.self, Accept.self, Contacts.self,
            Verify.self,
            Rename.self, Block.self, Unblock.self, Remove.self, Chat.self, Listen.self, Send.self, Edit.self,
            Delete.self,
            React.self, Disappear.self, History.self, Search.self, Status.self, Ping.self, Bench.self, Netcheck.self,
            Settings.self,
            PassphraseCommand.self, Export.self, Import.self, Backup.self, Check.self, Erase.self,
        ])

    static func main() async {
        // Before anything else: that process is none of ours.
        if GatewayHelper.isMeant(by: CommandLine.arguments) { GatewayHelper.run() }
        StandardOutput.claimDescriptors()
        Sodium.initialize()
        signal(SIGPIPE, SIG_IGN)
        do {
            await main(try LeadingOptions.moved(Array(CommandLine.arguments.dropFirst())))
        } catch {
            exit(withError: error)
        }
    }

    /// What can stand as a command.
    static var commandNames: Set<String> {
        Set(configuration.subcommands.map { $0.configuration.commandName ?? "\($0)".lowercased() } + ["help"])
    }
}

/// Lets the options that every command has also stand before the command: `sotto --home DIR id`.
enum LeadingOptions {
    private static let withValue: Set<String> = [
        "--home", "--passphrase-file", "--passphrase-fd", "--ca-file", "--log-level",
    ]
    private static let flags: Set<String> = ["--json"]

    /// The arguments with such options moved behind the command's name.
    ///
    /// - Throws: `ValidationError` when no command follows.
    static func moved(_ arguments: [String]) throws -> [String] {
        var leading: [String] = []
        var rest = arguments[...]
        while let argument = rest.first {
            if withValue.contains(argument) {
                guard rest.count >= 2 else { throw ValidationError("Missing value for '\(argument)'") }
                leading += rest.prefix(2)
                rest = rest.dropFirst(2)
            } else if flags.contains(argument) || withValue.contains(where: { argument.hasPrefix($0 + "=") }) {
                leading.append(argument)
                rest = rest.dropFirst()
            } else {
                break
            }
        }
        guard let command = rest.first else {
            if leading.isEmpty { return [] }
            throw ValidationError("Which command? 'sotto --help' lists them.")
        }
        guard !command.hasPrefix("-") else { return Array(rest) }
        guard Sotto.commandNames.contains(command) else {
            throw ValidationError(
                "There is no command '\(DisplayText.harmless(command))': 'sotto --help' lists those there are.")
        }
        return command == "help" ? Array(rest) : [command] + leading + rest.dropFirst()
    }
}
