import ArgumentParser
import Identity
import Messenger
import Wire

struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make an identity on this device.",
        usage: "sotto init --server ws[s]://HOST[:PORT] [--name NAME] [--no-passphrase] [options]")

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("The signaling server, as its operator gave it: ws[s]://HOST[:PORT].", valueName: "url"))
    var server: String

    @Option(help: "The name that your invites carry.")
    var name = ""

    @Flag(help: "Leave the secret key unsealed, readable by your user only.")
    var noPassphrase = false

    func validate() throws {
        guard !noPassphrase || (common.passphraseFile == nil && common.passphraseFd == nil) else {
            throw ValidationError("--no-passphrase cannot stand beside a passphrase")
        }
        guard (try? ServerURL(server)) != nil else {
            throw ValidationError(
                "'\(DisplayText.harmless(server))' is not a server URL: it looks like ws://192.0.2.7:8080 or wss://chat.example.org"
            )
        }
    }

    func run() async throws {
        try await common.run { output in
            let home = try Home.create(
                at: common.homeDirectory, name: name, server: try ServerURL(server),
                passphrase: noPassphrase ? nil : { try common.passphrase(isNew: true) })
            let peer = home.identity.peerID.description
            output.ready(peer)
            output.say(
                """
                Your identity: \(peer)
                Kept in \(common.homeDirectory)\(noPassphrase ? ", without a passphrase" : ", sealed under your passphrase").
                Next: 'sotto invite' makes an invite for somebody; 'sotto add INVITE' takes theirs.
                """)
        }
    }
}
