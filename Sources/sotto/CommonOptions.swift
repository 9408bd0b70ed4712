import ArgumentParser
import Foundation
import GatewayHelper
import Logging
import Messenger
import Noise
import Wire

/// The options that every command has.
struct CommonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where identity and contacts are kept.",
            discussion: "Default: $SOTTO_HOME, then $XDG_DATA_HOME/sotto, then ~/.local/share/sotto.",
            valueName: "dir"))
    var home: String?

    @Flag(help: "Write one JSON object a line to standard output.")
    var json = false

    @Option(help: ArgumentHelp("Read the passphrase from the first line of a file.", valueName: "file"))
    var passphraseFile: String?

    @Option(help: ArgumentHelp("Read the passphrase from an inherited file descriptor.", valueName: "number"))
    var passphraseFd: Int32?

    @Option(
        help: ArgumentHelp(
            "Log to standard error from this level on.", valueName: "level"))
    var logLevel: LogLevel = .error

    /// The home directory's path.
    var homeDirectory: String {
        let environment = ProcessInfo.processInfo.environment
        if let home { return (home as NSString).expandingTildeInPath }
        if let home = environment["SOTTO_HOME"], !home.isEmpty { return home }
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") { return data + "/sotto" }
        let user = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? NSHomeDirectory()
        return user + "/.local/share/sotto"
    }

    var output: Output { Output(isJSON: json) }

    var logger: Logger {
        var logger = Logger(label: "sotto", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = logLevel.level
        return logger
    }

    /// Reads the passphrase from where the user said, or asks for it.
    func passphrase(isNew: Bool) throws -> SecretBytes {
        try Self.passphrase(
            file: passphraseFile, descriptor: passphraseFd, question: isNew ? "New passphrase" : "Passphrase",
            isNew: isNew, advice: PassphraseError.advice, output)
    }

    /// Reads a passphrase from a descriptor or a file if there is one, or asks for it.
    ///
    /// - Parameter advice: the options that give it, for who has no terminal.
    static func passphrase(
        file: String?, descriptor: Int32?, question: String, isNew: Bool, advice: String, _ output: Output
    ) throws -> SecretBytes {
        let source: PassphraseSource =
            if let descriptor {
                .descriptor(descriptor)
            } else if let file {
                .file(file)
            } else {
                .prompt(question, confirmed: isNew)
            }
        let read = try PassphrasePrompt.read(source, advice: advice, warn: { output.notice("sotto: \($0)") })
        return SecretBytes(count: read.count) { copy in read.withUnsafeBytes { copy.copyMemory(from: $0) } }
    }

    /// Unlocks the home.
    ///
    /// - Parameter searchable: whether messages will be searched.
    func unlock(searchable: Bool = false) throws -> Home {
        let home = try Home.open(at: homeDirectory, searchable: searchable) { try passphrase(isNew: false) }
        if home.wasUpgraded {
            StandardError.write(
                "sotto: contacts and settings of an older version were moved into the vault of \(homeDirectory).\n")
        }
        return home
    }
}

/// A log level on the command line.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case debug, info, warning, error

    var level: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}

/// The options of commands that go online.
struct NetworkOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How packets may travel: auto (relay at once, then direct), direct (what you write waits for a direct path) or relay (your addresses stay hidden from the contact).",
            valueName: "way"))
    var path: TravelPolicy = .auto

    @Flag(
        help: ArgumentHelp(
            "Do not search for the contact behind a hard NAT.",
            discussion:
                "Where ICE finds no direct path, up to 2,048 small packets look for a port of the contact's NAT."))
    var noPortSearch = false

    @Flag(help: "Do not ask the router for a port (PCP, NAT-PMP, UPnP-IGD).")
    var noPortMapping = false

    @OptionGroup var trust: TrustOptions

    func messengerOptions() throws -> MessengerOptions {
        MessengerOptions(
            policy: path, certificateFile: try trust.certificateFile(), searchesPorts: !noPortSearch,
            mapsPorts: !noPortMapping, gatewayHelper: GatewayHelper.command)
    }
}

/// Whose certificates are believed.
struct TrustOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Also trust the certificates in this PEM file for the server.", valueName: "file"))
    var caFile: String?

    /// The file, once it is known to hold something: who keeps trying would do so for ever without.
    func certificateFile() throws -> String? {
        guard let caFile else { return nil }
        let file = DisplayText.harmless(caFile)
        guard access(caFile, R_OK) == 0 else {
            throw Failure("ca-file", "cannot read \(file): \(String(cString: strerror(errno)))")
        }
        let content = FileManager.default.contents(atPath: caFile) ?? Data()
        guard content.range(of: Data("-----BEGIN CERTIFICATE-----".utf8)) != nil else {
            throw Failure("ca-file", "\(file) holds no certificates in PEM form")
        }
        return caFile
    }
}
