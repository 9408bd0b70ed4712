import ArgumentParser
import Foundation
import Identity
import Messenger
import Vault
import Wire

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
                output.remark(
                    "other-server", contact,
                    "Note: the invite names the server \(invite.server), yours is \(own). You reach each other only if that is the same server."
                )
            }
        }
    }
}

struct Contacts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List your contacts, and who wants to become one.", usage: "sotto contacts [options]")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let contacts = try home.book().contacts
            let counts = try home.counts()
            for contact in contacts {
                let count = contact.row.flatMap { counts[$0] } ?? (0, 0)
                output.contact(contact, counts: count)
                output.say(Self.line(contact, count))
            }
            if contacts.isEmpty { output.notice("No contacts yet: 'sotto invite' and 'sotto add' make some.") }
        }
    }

    /// What they are, their name, their peer id, and what there is to know besides.
    static func line(_ contact: Contact, _ counts: (waiting: Int, unread: Int)) -> String {
        var remarks: [String] = []
        if counts.unread > 0 { remarks.append("\(counts.unread) unread") }
        if counts.waiting > 0 { remarks.append("\(counts.waiting) waiting") }
        if let seconds = contact.expiresAfter {
            remarks.append("messages disappear after \(DurationText.text(seconds))")
        }
        if !contact.greeting.isEmpty, contact.state == .requestsUs {
            remarks.append("\"\(DisplayText.harmless(contact.greeting))\"")
        }
        let state =
            switch contact.state {
            case .contact: contact.verified ? "verified" : "unverified"
            case .requestedByUs: "requested"
            case .requestsUs: "asks you"
            case .blocked: "blocked"
            }
        let padded = state.padding(toLength: max(10, state.count), withPad: " ", startingAt: 0)
        return "\(padded)  \(contact.name)  \(contact.peer)"
            + (remarks.isEmpty ? "" : "  (\(remarks.joined(separator: ", ")))")
    }
}

struct Request: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask somebody on your server to become a contact.",
        usage: "sotto request INVITE|PEER-ID [--as NAME] [--greeting TEXT] [options]",
        discussion: """
            For who has not given you an invite that still admits you. They see your name and the greeting, and accept or do not. The \
            request goes out when you are online next.
            """)

    @OptionGroup var common: CommonOptions

    @Argument(help: "Their peer id (sotto1…), or an invite of theirs.")
    var who: String

    @Option(
        name: .customLong("as"),
        help: ArgumentHelp("The name under which you want to know them.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("What you say to them.", valueName: "text"))
    var greeting = ""

    func run() async throws {
        try await common.run { output in
            let (peer, suggestion) = try Self.read(who)
            guard let name = name ?? suggestion else { throw ContactError.nameNeeded }
            let contact = try common.unlock().request(peer, as: name, greeting: greeting)
            output.contact(contact)
            output.say("\(contact.name) is asked: the request goes out when you are online.")
        }
    }

    private static func read(_ text: String) throws -> (PeerID, String?) {
        if text.hasPrefix(Invite.scheme) {
            let invite = try Invite(text)
            return (invite.peerID, invite.name)
        }
        guard let peer = try? PeerID(text: text) else {
            throw Failure(
                "contact", "this is neither a peer id (sotto1…) nor an invite: copy it again, every character counts")
        }
        return (peer, nil)
    }
}

struct Accept: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make somebody a contact who asked for it.", usage: "sotto accept NAME [--as NAME] [options]")

    @OptionGroup var common: CommonOptions

    @Argument(help: "The name that 'sotto contacts' lists.")
    var name: String

    @Option(
        name: .customLong("as"), help: ArgumentHelp("The name under which you want to know them.", valueName: "name"))
    var newName: String?

    func run() async throws {
        try await common.run { output in
            let contact = try common.unlock().accept(name, as: newName)
            output.contact(contact)
            output.say("\(contact.name) is a contact now, and is told so when you are online.")
        }
    }
}

struct Block: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shut somebody out: no messages, no sign of you.",
        usage: "sotto block NAME [options]",
        discussion:
            "What was said stays; what waits for them is dropped. They learn no more than that you do not accept them. 'sotto unblock' lets them in again."
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: "The contact.")
    var name: String

    func run() async throws {
        try await common.run { output in
            let contact = try common.unlock().block(name)
            output.contact(contact)
            output.say("\(contact.name) is blocked.")
        }
    }
}

struct Unblock: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let somebody in again who was blocked.", usage: "sotto unblock NAME [options]")

    @OptionGroup var common: CommonOptions

    @Argument(help: "The contact.")
    var name: String

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            guard try home.book().contact(named: name).state == .blocked else {
                throw Failure("contact", "'\(name)' is not blocked")
            }
            let contact = try home.accept(name)
            output.contact(contact)
            output.say("\(contact.name) is a contact again.")
        }
    }
}

struct Rename: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a contact another name on this device.", usage: "sotto rename NAME NEW-NAME [options]")

    @OptionGroup var common: CommonOptions

    @Argument(help: "The contact.")
    var name: String

    @Argument(help: "Their name from now on.")
    var newName: String

    func run() async throws {
        try await common.run { output in
            let contact = try common.unlock().update { [name, newName] book in
                let contact = try book.contact(named: name)
                try book.rename(name, to: newName)
                return book.contact(contact.peer) ?? contact
            }
            output.contact(contact)
            output.say("\(name) is called \(contact.name) now.")
        }
    }
}

struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Forget a contact, with everything that was said.",
        usage: "sotto remove NAME [--yes] [options]",
        discussion:
            "Also answers a request with nothing. Who is to stay away is better blocked: somebody forgotten may ask again."
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: "The contact.")
    var name: String

    @Flag(help: "Do not ask whether you mean it.")
    var yes = false

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let contact = try home.book().contact(named: name)
            if !yes {
                try Confirmation.ask("Forget \(contact.name), and every message with them?", expecting: "yes")
            }
            try home.update { [name] in try $0.remove(name) }
            output.event(
                JSONLine(event: "removed").adding("name", .text(contact.name)).adding(
                    "peer", .text(contact.peer.description)))
            output.say("\(contact.name) is forgotten.")
        }
    }
}
