import ArgumentParser
import Foundation
import Messenger
import Noise
import Vault
import Wire

struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write contacts, messages and settings into one sealed file.",
        usage: "sotto export FILE [--archive-passphrase-file FILE] [options]",
        discussion: """
            The file has a passphrase of its own. It is for reading elsewhere ('sotto import'): it holds no keys, so it does not make \
            another device you. For that there is 'sotto backup'.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var archive: ArchiveOptions

    @Argument(help: "The file to make.")
    var file: String

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let passphrase = try archive.passphrase(isNew: true, output)
            let summary = try home.vault.export(to: file, passphrase: passphrase, now: Home.wallClock())
            output.archive(summary, file)
            output.say(
                "\(MessageText.count(summary.contacts, "contact")) and \(MessageText.count(summary.messages, "message")) written to \(DisplayText.harmless(file))."
            )
        }
    }
}

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take in what an exported file holds and is not here yet.",
        usage: "sotto import FILE [--archive-passphrase-file FILE] [options]",
        discussion: "What is here stays as it is. Contacts of another identity's file come unverified.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var archive: ArchiveOptions

    @Argument(help: "The file that 'sotto export' wrote.")
    var file: String

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            guard access(file, R_OK) == 0 else {
                throw Failure(
                    "archive", "cannot read \(DisplayText.harmless(file)): \(String(cString: strerror(errno)))")
            }
            let passphrase = try archive.passphrase(isNew: false, output)
            let summary = try home.importArchive(from: file, passphrase: passphrase)
            output.archive(summary, file)
            output.say(
                "\(MessageText.count(summary.contacts, "new contact")), \(MessageText.count(summary.messages, "new message")), \(summary.known) known already."
            )
        }
    }
}

/// Where the passphrase of an exported file comes from.
struct ArchiveOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Read the exported file's passphrase from the first line of a file.", valueName: "file"))
    var archivePassphraseFile: String?

    @Option(help: ArgumentHelp("Read it from an inherited file descriptor.", valueName: "number"))
    var archivePassphraseFd: Int32?

    func passphrase(isNew: Bool, _ output: Output) throws -> SecretBytes {
        try CommonOptions.passphrase(
            file: archivePassphraseFile, descriptor: archivePassphraseFd,
            question: isNew ? "New passphrase of the file" : "Passphrase of the file", isNew: isNew,
            advice: "--archive-passphrase-file or --archive-passphrase-fd", output)
    }
}

struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy your home into a new directory, also while it is in use.",
        usage: "sotto backup DIR [options]",
        discussion: """
            The copy is sealed as your home is, with the same passphrase, and is used as one: 'sotto --home DIR …'. Do not use both: \
            it replaces a home that was lost. Conversations repair themselves, but what came after the backup must be sent again.
            """)

    @OptionGroup var common: CommonOptions

    @Argument(help: "The directory to make.")
    var directory: String

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            try home.backup(to: directory)
            output.event(JSONLine(event: "backup").adding("directory", .text(directory)))
            output.say("Copied to \(DisplayText.harmless(directory)).")
        }
    }
}

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read everything that is stored, and say what is damaged.",
        usage: "sotto check [options]", discussion: "Exit status 1 when something is.")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { output in
            let problems = try common.unlock().vault.check()
            for problem in problems {
                output.event(JSONLine(event: "problem").adding("message", .text(problem)))
                output.say(DisplayText.harmless(problem))
            }
            output.event(JSONLine(event: "check").adding("problems", .integer(problems.count)))
            guard problems.isEmpty else {
                throw Failure(
                    "storage", "\(MessageText.count(problems.count, "problem")) found: restore a backup",
                    cause: "damaged")
            }
            output.say("Everything that is stored can be read.")
        }
    }
}

struct PassphraseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "passphrase", abstract: "Change the passphrase, or do without.",
        usage: "sotto passphrase [--new-passphrase-file FILE | --remove] [options]",
        discussion: "Backups keep the passphrase that they were made with.")

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Read the new passphrase from the first line of a file.", valueName: "file"))
    var newPassphraseFile: String?

    @Option(help: ArgumentHelp("Read it from an inherited file descriptor.", valueName: "number"))
    var newPassphraseFd: Int32?

    @Flag(help: "Leave the secret key unsealed, readable by your user only.")
    var remove = false

    func validate() throws {
        guard [newPassphraseFile != nil, newPassphraseFd != nil, remove].count(where: { $0 }) <= 1 else {
            throw ValidationError("--new-passphrase-file, --new-passphrase-fd and --remove exclude each other")
        }
    }

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            if remove {
                try home.changePassphrase(nil)
            } else {
                let passphrase: SecretBytes? = try CommonOptions.passphrase(
                    file: newPassphraseFile, descriptor: newPassphraseFd, question: "New passphrase", isNew: true,
                    advice: "--new-passphrase-file or --new-passphrase-fd", output)
                try home.changePassphrase(passphrase)
            }
            output.event(JSONLine(event: "passphrase").adding("sealed", .flag(!remove)))
            output.say(remove ? "The key is no longer sealed." : "The key is sealed under the new passphrase.")
        }
    }
}

struct Erase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Destroy the identity and everything that is stored with it.",
        usage: "sotto erase [--yes] [options]",
        discussion: """
            Nothing brings it back but a backup. Flash memory may keep blocks that were overwritten; with a passphrase they are of no use \
            to anybody.
            """)

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do not ask whether you mean it.")
    var yes = false

    func run() async throws {
        try await common.run { output in
            let home = DisplayText.harmless(common.homeDirectory)
            if !yes {
                try Confirmation.ask("Destroy everything in \(home), for good?", expecting: "erase")
            }
            try Home.erase(at: common.homeDirectory)
            output.event(JSONLine(event: "erased").adding("directory", .text(common.homeDirectory)))
            output.say("Erased.")
        }
    }
}

extension Output {
    fileprivate func archive(_ summary: ArchiveSummary, _ file: String) {
        event(
            JSONLine(event: "archive").adding("file", .text(file)).adding("contacts", .integer(summary.contacts))
                .adding("messages", .integer(summary.messages)).adding("known", .integer(summary.known)))
    }
}
