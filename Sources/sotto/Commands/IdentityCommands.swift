import ArgumentParser
import Foundation
import Identity
import Messenger
import Wire

struct ID: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "id", abstract: "Show your peer id.", usage: "sotto id [options]")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { output in
            let peer = try Home.peerID(at: common.homeDirectory).description
            output.ready(peer)
            output.say(peer)
        }
    }
}

struct InviteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite", abstract: "Make an invite: whoever has it may reach you.",
        usage: "sotto invite [--qr | --no-qr] [options]",
        discussion: "Give it to one person over a channel that you trust. It admits its bearer for 30 days.")

    @OptionGroup var common: CommonOptions

    @Flag(inversion: .prefixedNo, help: "Also draw it as a QR code (default: when standard output is a terminal).")
    var qr: Bool?

    func run() async throws {
        try await common.run { output in
            let invite = try common.unlock().makeInvite(now: Int64(Date().timeIntervalSince1970))
            output.event(JSONLine(event: "invite").adding("uri", .text(invite.uri)))
            output.say(invite.uri)
            if !output.isJSON, qr ?? (isatty(STDOUT_FILENO) == 1) {
                let code = try QRCode(invite.uri).lines(.colored).joined(separator: "\n")
                output.say(code)
            }
        }
    }
}

struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add a contact from an invite.", usage: "sotto add INVITE [--as NAME] [options]")

    @OptionGroup var common: CommonOptions

    @Argument(help: "The invite, in quotes: 'sotto:…@host?…'")
    var invite: String

    @Option(
        name: .customLong("as"),
        help: ArgumentHelp(
            "The name under which you want to know the contact; without it, the one in the invite.", valueName: "name"))
    var name: String?

    func run() async throws {
        try await common.run { output in
            let invite = try Invite(invite)
            let home = try common.unlock()
            guard invite.peerID != home.identity.peerID else { throw ContactError.yourself }
            guard let name = name ?? invite.name else { throw ContactError.nameNeeded }
            let contact = Contact(peer: invite.peerID, name: name, server: invite.server.authority, token: invite.token)
            let own = try home.update { book -> String in
                try book.add(contact)
                return book.server
            }
            output.contact(contact)
            let argument = ShellText.argument(contact.name)
            output.say(
                """
                \(contact.name) is a contact now.
                Talk:                    sotto chat \(argument)
                Compare safety numbers:  sotto verify \(argument)
                """)
            if try ServerURL(own).authority != invite.server.authority {
                output.notice(
                    "Note: the invite names the server \(invite.server), yours is \(own). You reach each other only if that is the same server."
                )
            }
        }
    }
}

struct Contacts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List your contacts.", usage: "sotto contacts [options]")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { output in
            let contacts = try common.unlock().book().contacts
            for contact in contacts {
                output.contact(contact)
                output.say("\(contact.verified ? "verified  " : "unverified")  \(contact.name)  \(contact.peer)")
            }
            if contacts.isEmpty { output.notice("No contacts yet: 'sotto invite' and 'sotto add' make some.") }
        }
    }
}

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare safety numbers with a contact.",
        usage: "sotto verify NAME [--confirm | --revoke] [options]",
        discussion: """
            Both of you see the same number. Compare it in person or by a call; if it is the same, nobody is in between: mark the \
            contact with 'sotto verify NAME --confirm'.
            """)

    @OptionGroup var common: CommonOptions

    @Argument(help: "The contact.")
    var name: String

    @Flag(help: "You compared the number and it was the same.")
    var confirm = false

    @Flag(help: "Take the mark back.")
    var revoke = false

    func validate() throws {
        if confirm && revoke { throw ValidationError("--confirm and --revoke exclude each other") }
    }

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            if confirm || revoke { try home.update { try $0.setVerified(confirm, name: name) } }
            let contact = try home.book().contact(named: name)
            let groups = SafetyNumber.groups(home.identity.peerID, contact.peer)
            output.contact(contact, safetyNumber: groups.joined())
            output.say("Safety number with \(contact.name) (\(contact.verified ? "verified" : "not verified")):\n")
            output.say(Self.lines(groups))
            if !contact.verified, !revoke {
                output.say("\nThe same on both sides? Then: sotto verify --confirm \(ShellText.argument(contact.name))")
            }
        }
    }

    /// Three lines of four groups.
    private static func lines(_ groups: [String]) -> String {
        stride(from: 0, to: groups.count, by: 4).map { start in
            "    " + groups[start..<min(start + 4, groups.count)].joined(separator: " ")
        }.joined(separator: "\n")
    }
}
