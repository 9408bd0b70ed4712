import ArgumentParser
import Foundation
import Identity
import Messenger
import Vault
import Wire

struct InviteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "invite", abstract: "Make an invite: whoever has it may reach you.",
        usage: "sotto invite [--once] [--expires TIME] [--label TEXT] [--qr | --no-qr] [options]",
        discussion: """
            Give it to one person over a channel that you trust. It admits its bearer for 30 days, or for --expires; with --once it admits \
            one. 'sotto invites' lists what you gave out, and 'sotto invites --revoke' takes one back.
            """)

    @OptionGroup var common: CommonOptions

    @Flag(help: "It admits one bearer, and then nobody.")
    var once = false

    @Option(help: ArgumentHelp("For how long it admits: 30m, 12h, 7d, 4w.", valueName: "time"))
    var expires: String?

    @Option(
        help: ArgumentHelp(
            "A note of yours, by which you find it again. It does not stand in the invite.", valueName: "text"))
    var label = ""

    @Flag(inversion: .prefixedNo, help: "Also draw it as a QR code (default: when standard output is a terminal).")
    var qr: Bool?

    func validate() throws {
        if let expires, DurationText.seconds(expires) == nil {
            throw ValidationError("--expires takes a number with s, m, h, d or w")
        }
        guard label.utf8.count <= 256, label == DisplayText.harmless(label) else {
            throw ValidationError("--label takes at most 256 bytes, without control characters")
        }
    }

    func run() async throws {
        try await common.run { output in
            let lifetime = expires.flatMap { DurationText.seconds($0) }.map { Int64($0) } ?? Home.inviteLifetime
            let home = try common.unlock()
            let invite = try home.makeInvite(
                now: Int64(Date().timeIntervalSince1970), lifetime: lifetime, singleUse: once, label: label)
            let stored = try home.invites().last
            output.event(
                JSONLine(event: "invite").adding("uri", .text(invite.uri))
                    .adding("id", stored.map { .text($0.name) })
                    .adding("expires_at", stored.map { .text($0.expiryText) }))
            output.say(invite.uri)
            if !output.isJSON, qr ?? (isatty(STDOUT_FILENO) == 1) {
                let code = try QRCode(invite.uri).lines(.colored).joined(separator: "\n")
                output.say(code)
            }
        }
    }
}

struct Invites: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the invites that you gave out, or take one back.",
        usage: "sotto invites [--revoke ID|LABEL] [options]",
        discussion: "Who came with an invite stays when it is taken back.")

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Take this one back: its id, or the beginning of it, or its label.", valueName: "id"))
    var revoke: String?

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            var listed = try home.invites()
            if let revoke {
                let found = try Self.find(revoke, in: listed)
                _ = try home.revokeInvite(digest: found.digest)
                listed = try home.invites().filter { $0.digest == found.digest }
            }
            let now = Int64(Date().timeIntervalSince1970)
            for invite in listed {
                output.event(Self.event(invite, now))
                output.say(Self.line(invite, now))
            }
            if listed.isEmpty { output.notice("You gave out no invites that are still known.") }
        }
    }

    /// The one that is meant; never one of several.
    static func find(_ text: String, in invites: [StoredInvite]) throws -> StoredInvite {
        let labelled = invites.filter { !text.isEmpty && $0.label == text && !$0.revoked }
        let named = invites.filter { text.utf8.count >= 4 && $0.name.hasPrefix(text.lowercased()) }
        let found = labelled.isEmpty ? named : labelled
        guard let first = found.first else {
            throw Failure("invite", "there is no invite '\(DisplayText.harmless(text))'")
        }
        guard found.count == 1 else {
            throw Failure("invite", "several invites are called '\(DisplayText.harmless(text))': give the id")
        }
        return first
    }

    private static func event(_ invite: StoredInvite, _ now: Int64) -> JSONLine {
        JSONLine(event: "invite").adding("id", .text(invite.name)).adding("state", .text(invite.use(now: now).word))
            .adding("uses", .integer(Int(invite.uses))).adding("once", .flag(invite.singleUse))
            .adding("created_at", .text(TimeText.iso(UInt64(max(0, invite.createdAt)) &* 1000)))
            .adding("expires_at", .text(invite.expiryText))
            .adding("label", invite.label.isEmpty ? nil : .text(invite.label))
    }

    private static func line(_ invite: StoredInvite, _ now: Int64) -> String {
        let label = invite.label.isEmpty ? "" : "  \(invite.label)"
        return "\(invite.name.prefix(8))  \(invite.use(now: now).word), until \(invite.expiryText.prefix(10)),"
            + " \(MessageText.count(Int(invite.uses), "use"))\(invite.singleUse ? " of one" : "")\(label)"
    }
}

extension StoredInvite {
    /// What it is called on the command line: the first eight bytes of its digest, which does not tell the token.
    fileprivate var name: String {
        digest.prefix(8).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    fileprivate var expiryText: String {
        TimeText.iso(UInt64(max(0, expires)).multipliedReportingOverflow(by: 1000).partialValue)
    }
}

extension InviteUse {
    /// As scripts and people read it.
    fileprivate var word: String {
        switch self {
        case .admitted: "open"
        case .expired: "expired"
        case .used: "used"
        case .revoked: "revoked"
        case .unknown: "unknown"
        }
    }
}
