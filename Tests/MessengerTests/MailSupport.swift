import Dispatch
import Identity
import NIOConcurrencyHelpers
import PeerLab
import Ratchet
import TestTools
import Testing
import Wire

@testable import Messenger
@testable import Vault

/// Somebody whom a test plays, and with what their mail reaches a person.
struct Correspondent {
    let peer: ScriptedPeer
    let person: PeerID
    /// Opens the person's mailbox.
    let postage: [UInt8]

    /// Begins a ratchet session, by the prekeys that the person's server has.
    func begin() async throws { try await peer.begin(with: person, capability: postage) }

    /// Mails ciphertexts, and expects the server to take them.
    func post(_ ciphertexts: [[UInt8]]) async throws {
        for answer in try await peer.post(ciphertexts, to: person, capability: postage) {
            guard case .stored = answer else { throw Unmet(description: "the mailbox says \(answer)") }
        }
    }

    /// Mails a text, or anything else, and returns the envelope's id.
    @discardableResult
    func mail(_ text: String) async throws -> [UInt8] {
        try await mail(.text(text, answers: nil, expiresAfter: nil))
    }

    @discardableResult
    func mail(_ body: MessageContent.Body) async throws -> [UInt8] {
        let ciphertext = try await peer.encrypt(body)
        try await post([ciphertext])
        return Envelope.id(of: ciphertext)
    }

    /// The envelopes that the person says to have stored.
    var confirmed: Set<[UInt8]> {
        peer.mails.all.reduce(into: []) { all, mail in
            if case .delivered(let envelopes)? = mail.content?.body { all.formUnion(envelopes) }
        }
    }

    /// The envelopes that the person could not read.
    var wanted: Set<[UInt8]> {
        peer.mails.all.reduce(into: []) { all, mail in
            if case .retry(let envelopes)? = mail.content?.body { all.formUnion(envelopes) }
        }
    }
}

extension Lab {
    /// A contact of `home`, whose mails reach each other. Before `home` goes online.
    func correspondent(_ name: String, of home: Home) async throws -> Correspondent {
        let peer = try await ScriptedPeer.loggedIn(self)
        let (ours, theirs) = (Capability.generate(), Capability.generate())
        try home.update { book in
            var contact = Contact(peer: peer.id, name: name)
            contact.ourCapability = ours
            contact.theirCapability = theirs
            try book.add(contact)
        }
        try await peer.receiveMail(of: home.identity.peerID, capability: theirs)
        return Correspondent(peer: peer, person: home.identity.peerID, postage: ours)
    }

    /// Somebody with an invite of `home`, whom it does not know yet.
    func bearer(of invite: Invite, at home: Home) async throws -> (bearer: Correspondent, capability: [UInt8]) {
        let peer = try await ScriptedPeer.loggedIn(self)
        let capability = Capability.generate()
        try await peer.receiveMail(of: home.identity.peerID, capability: capability)
        return (Correspondent(peer: peer, person: home.identity.peerID, postage: invite.token), capability)
    }

    /// Somebody who is online, and whom mail reaches.
    func reachable(_ home: Home) async throws -> Person {
        let person = try person(home)
        try await person.online()
        try await person.mailReachesThem()
        return person
    }
}

extension Home {
    func contactRow(_ name: String) throws -> ContactRow {
        try #require(try book().contacts.first { $0.name == name }?.row)
    }

    /// What waits for a contact.
    func waiting(_ name: String) throws -> [OutboxEntry] {
        let row = try contactRow(name)
        return try vault.read { try $0.outbox(for: row, first: 10_000) }
    }
}

/// Keeps a vault's thread busy until it is let go: what others submit meanwhile waits behind it.
final class VaultHold: Sendable {
    private let gate = DispatchSemaphore(value: 0)
    private let isReleased = NIOLockedValueBox(false)
    private let isReached = NIOLockedValueBox(false)

    /// The vault's thread waits here: what is submitted from now on has another commit.
    var hasBegun: Bool { isReached.withLockedValue { $0 } }

    /// - Parameter work: is done when it is let go, as another process would have done it by then.
    init(_ vault: Vault, work: @escaping @Sendable (VaultTransaction) throws -> Void = { _ in }) {
        vault.submit(
            { [gate, isReached] transaction in
                isReached.withLockedValue { $0 = true }
                gate.wait()
                try work(transaction)
            }, then: { _ in })
    }

    /// Idempotent.
    func release() {
        let isFirst = isReleased.withLockedValue { isReleased in
            defer { isReleased = true }
            return !isReleased
        }
        if isFirst { gate.signal() }
    }
}

extension Vault {
    /// Makes every write fail, as on a disk that was mounted anew for reading only, or makes them work again.
    func fail(_ fails: Bool) throws {
        try connections.write { (session) throws(VaultError) in
            try session.execute("PRAGMA query_only = \(fails ? 1 : 0)")
        }
    }
}

/// What a test asks about the exchange with the server's mailbox.
struct DeskReport: Sendable {
    /// Mails that were not acknowledged yet.
    let count: Int
    /// Of these, those that were looked at.
    let processing: Int
    /// Mails that the server does not know to be acknowledged.
    let acknowledgements: Int
    let isHeld: Bool
    let isPublicationUnderWay: Bool
    let areCapabilitiesUnderWay: Bool
    /// Numbers of what the server has not answered.
    let requests: [UInt32]
}

extension Messenger {
    var desk: DeskReport {
        DeskReport(
            count: mailDesk.count, processing: mailDesk.processing.count,
            acknowledgements: mailDesk.acknowledgements.count, isHeld: mailDesk.isHeld,
            isPublicationUnderWay: mailDesk.isPublicationUnderWay,
            areCapabilitiesUnderWay: mailDesk.areCapabilitiesUnderWay, requests: Array(mailDesk.requests.keys))
    }

    /// Whether there is a ratchet session with a contact in which we write.
    func canEncrypt(for peer: PeerID) -> Bool { conversations[peer]?.ratchet.canSend == true }
}
