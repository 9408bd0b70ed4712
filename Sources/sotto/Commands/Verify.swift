import ArgumentParser
import Foundation
import Identity
import Messenger
import Wire

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare safety numbers with a contact.",
        usage: "sotto verify NAME [--qr] [--confirm | --revoke | --scan TEXT] [options]",
        discussion: """
            Both of you see the same number. Compare it in person or by a call; if it is the same, nobody is in between: mark the \
            contact with 'sotto verify NAME --confirm'. Or one shows the QR code (--qr), and the other gives what it says to --scan, \
            which compares and marks.
            """)

    @OptionGroup var common: CommonOptions

    @Argument(help: "The contact.")
    var name: String

    @Flag(help: "You compared the number and it was the same.")
    var confirm = false

    @Flag(help: "Take the mark back.")
    var revoke = false

    @Option(
        help: ArgumentHelp(
            "What the contact's QR code says: compares it, and marks the contact if it is right.", valueName: "text"))
    var scan: String?

    @Flag(inversion: .prefixedNo, help: "Also draw a QR code for the contact to scan.")
    var qr: Bool = false

    func validate() throws {
        guard [confirm, revoke, scan != nil].count(where: { $0 }) <= 1 else {
            throw ValidationError("--confirm, --revoke and --scan exclude each other")
        }
    }

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let before = try home.book().contact(named: name)
            let own = home.identity.peerID
            if let scan {
                try VerificationCode(scan).check(own: own, contact: before)
            }
            if confirm || revoke || scan != nil {
                try home.update { [name, revoke] in try $0.setVerified(!revoke, name: name) }
            }
            let contact = try home.book().contact(named: name)
            let groups = SafetyNumber.groups(own, contact.peer)
            let code = VerificationCode(shownBy: own, to: contact.peer)
            output.contact(contact, safetyNumber: groups.joined(), code: code.text)
            output.say("Safety number with \(contact.name) (\(contact.verified ? "verified" : "not verified")):\n")
            output.say(Self.lines(groups))
            if qr, !output.isJSON {
                let lines = try QRCode(code.text).lines(.colored).joined(separator: "\n")
                output.say("\n\(lines)\n\(code.text)")
            }
            if !contact.verified, !revoke {
                output.say("\nThe same on both sides? Then: sotto verify --confirm \(ShellText.argument(contact.name))")
            }
        }
    }

    /// Three lines of four groups.
    static func lines(_ groups: [String]) -> String {
        stride(from: 0, to: groups.count, by: 4).map { start in
            "    " + groups[start..<min(start + 4, groups.count)].joined(separator: " ")
        }.joined(separator: "\n")
    }
}

/// What a QR code for verification says: `sotto-verify:<peer id of who shows it>/<peer id that they know the other by>`.
struct VerificationCode: Equatable {
    private static let scheme = "sotto-verify:"
    let shownBy: PeerID
    let known: PeerID

    init(shownBy: PeerID, to known: PeerID) {
        self.shownBy = shownBy
        self.known = known
    }

    /// - Throws: ``Failure`` with code `verification` when the text is none.
    init(_ text: String) throws {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        let parts = trimmed.dropFirst(Self.scheme.count).split(separator: "/", omittingEmptySubsequences: false)
        guard trimmed.hasPrefix(Self.scheme), parts.count == 2, let shownBy = try? PeerID(text: String(parts[0])),
            let known = try? PeerID(text: String(parts[1]))
        else {
            throw Failure("verification", "this is not what the QR code of 'sotto verify --qr' says: scan it again")
        }
        self.init(shownBy: shownBy, to: known)
    }

    var text: String { "\(Self.scheme)\(shownBy)/\(known)" }

    /// - Throws: ``Failure`` with code `verification` unless both sides know each other by the same identities.
    func check(own: PeerID, contact: Contact) throws {
        guard shownBy != own else {
            throw Failure("verification", "this is the code that you show: it is the contact's that you must scan")
        }
        guard shownBy == contact.peer, known == own else {
            throw Failure(
                "verification",
                "NOT the same: whoever shows this code is not who '\(contact.name)' is to you, or does not know you. Somebody may be in between."
            )
        }
    }
}
