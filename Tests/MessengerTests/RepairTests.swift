import Identity
import PeerLab
import Ratchet
import TestTools
import Testing
import Wire

@testable import Messenger
@testable import Vault

extension Messenger {
    /// As many entries as may wait for a contact; the vault knows nothing of them.
    fileprivate func fillOutbox(of contact: Contact) {
        for _ in 0..<Outbox.limit {
            conversation(with: contact)?.outbox.append(
                Outbox.Entry(
                    row: nil, envelope: MessageID.random().bytes, messageID: nil, kind: 4, isEncrypted: true,
                    isStored: false, isMailed: false, ciphertext: nil))
        }
    }
}

/// What cannot be read, and who says so.
@Suite struct RepairTests {
    private func rubbish(_ count: Int) -> [[UInt8]] {
        (0..<count).map { _ in (0..<300).map { _ in UInt8.random(in: 0...255) } }
    }

    @Test func rubbishByMailKeepsNobodyOut() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bad = try await lab.correspondent("bad", of: home)
            let good = try await lab.correspondent("good", of: home)
            let alice = try await lab.reachable(home)
            try await good.begin()
            let rubbish = rubbish(300)
            try await bad.post(rubbish)
            try await good.mail("all well")
            #expect(try await alice.text(within: 30) == "all well")
            try await eventually("all of it was asked for") { bad.wanted == Set(rubbish.map { Envelope.id(of: $0) }) }
            let requests = try home.waiting("bad").count { $0.kind == 9 }
            #expect((3...16).contains(requests))
            try await eventually("all is deleted") { lab.counter("mail_delivered_total") >= 301 }
            try await bad.peer.vanish()
            try await good.peer.vanish()
        }
    }

    @Test func rubbishInASessionKeepsNobodyOut() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let bad = try await ScriptedPeer.loggedIn(lab)
            let good = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(bad.id, "bad", to: home, isIntroduced: true)
            try Lab.add(good.id, "good", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            for peer in [bad, good] { try await peer.converse(with: alice.id, greeting: peer.greeting()) }
            let rubbish = rubbish(300)
            for ciphertext in rubbish { try await bad.write(.envelope(ciphertext)) }
            try await good.say("all well")
            #expect(try await alice.text(within: 30) == "all well")
            try await bad.write(.ping(5))
            _ = try await bad.frames.next("pong") { $0 == .pong(5) ? () : nil }
            let told = try await bad.frames.until("all are named") { frames -> Int? in
                let named = frames.compactMap { if case .unreadable(let ids) = $0 { ids } else { nil } }
                return Set(named.joined()) == Set(rubbish.map { Envelope.id(of: $0) }) ? named.count : nil
            }
            #expect((3...16).contains(told))
            // Who heals is heard again.
            try await bad.say("sorry")
            #expect(try await alice.text() == "sorry")
            try await bad.vanish()
            try await good.vanish()
        }
    }

    private func arrival(_ body: MessageContent.Body, from contact: ContactRow) -> Arrival {
        let id = MessageID.random().bytes
        return Arrival(
            contact: contact, envelope: MessageID.random().bytes,
            content: MessageContent(id: id, sentAt: wallClock(), sequence: 1, body: body), now: wallClock())
    }

    /// The process ends as soon as the request to repeat is stored: whoever is online with the home next carries it out.
    @Test func requestToRepeatOutlivesTheProcessThatStoredIt() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bob = try await lab.correspondent("bob", of: home)
            let alice = try await lab.reachable(home)
            let id = try await alice.send("once more", to: "bob")
            try await alice.when(id, is: .sent)
            let first = try await bob.peer.mails.next("text") { $0.text == nil ? nil : $0 }
            await alice.stop()
            let before = try #require(try home.waiting("bob").first)
            #expect(before.isMailed && !before.ciphertext.isEmpty)
            let arrival = arrival(.retry(envelopes: [before.envelopeID]), from: before.contact)
            let effects = try home.vault.writeAndWait { try $0.apply(arrival) }
            guard case .wanted(let renamed)? = effects.first else {
                Issue.record("not wanted")
                return
            }
            #expect(renamed.map(\.before) == [before.envelopeID])
            #expect(try home.vault.writeAndWait { try $0.apply(arrival) }.isEmpty)
            let after = try home.waiting("bob")
            #expect(after.map(\.envelopeID) == renamed.map(\.after))
            #expect(after.map(\.row) == [before.row] && after.allSatisfy { $0.ciphertext.isEmpty && !$0.isMailed })
            home.vault.close()
            let again = try await lab.reachable(try Home.open(at: "\(lab.directory)/alice") { nil })
            let second = try await bob.peer.mails.next("text again") { $0.text == nil ? nil : $0 }
            #expect(second.text == "once more" && second.content?.id == first.content?.id)
            #expect(second.ciphertext != first.ciphertext)
            try await bob.begin()
            try await bob.mail(.delivered(envelopes: [Envelope.id(of: second.ciphertext)]))
            try await again.when(id, is: .delivered)
            try await bob.peer.vanish()
        }
    }

    /// Who confirms nothing cannot make what waits for them grow for ever.
    @Test func nothingIsAskedOfWhoTakesNothing() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bad = try await lab.correspondent("bad", of: home)
            let alice = try await lab.reachable(home)
            let contact = try await alice.contact("bad")
            await alice.messenger.fillOutbox(of: contact)
            try await bad.post(rubbish(20))
            try await eventually("all is deleted") { lab.counter("mail_delivered_total") >= 20 }
            #expect(try home.waiting("bad").isEmpty)
            try await bad.peer.vanish()
        }
    }

    private struct Kept: Equatable {
        let entries: [[UInt8]]
        let ratchet: Bool
    }

    /// What waits for a contact, and whether the session in which it was encrypted is still used.
    private func kept(_ home: Home, _ person: Person, _ name: String) async throws -> Kept {
        let peer = try await person.contact(name).peer
        let canSend = await person.messenger.canEncrypt(for: peer)
        return Kept(
            entries: try home.waiting(name).flatMap { [$0.envelopeID, $0.ciphertext] }, ratchet: canSend)
    }

    /// Nobody makes us repeat what was meant for another, or what never was.
    @Test func requestsForOthersEnvelopesChangeNothing() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bad = try await lab.correspondent("bad", of: home)
            let carol = try await lab.correspondent("carol", of: home)
            let alice = try await lab.reachable(home)
            for name in ["bad", "carol"] {
                try await alice.when(try await alice.send("for \(name)", to: name), is: .sent)
            }
            let before = (try await kept(home, alice, "bad"), try await kept(home, alice, "carol"))
            #expect(before.0.ratchet && before.1.ratchet && before.1.entries.count == 2)
            let foreign = [before.1.entries[0], MessageID.random().bytes]
            try await bad.begin()
            try await bad.mail(.retry(envelopes: foreign))
            try await bad.mail(.delivered(envelopes: foreign))
            try await bad.mail("by mail")
            #expect(try await alice.text() == "by mail")
            try await bad.peer.converse(with: alice.id, greeting: bad.peer.greeting())
            try await bad.peer.write(.unreadable(foreign))
            try await bad.peer.write(.stored(foreign))
            try await bad.peer.say("by session")
            #expect(try await alice.text() == "by session")
            #expect(try await kept(home, alice, "carol") == before.1)
            #expect(await alice.messenger.canEncrypt(for: bad.peer.id))
            let repaired = alice.log.all.contains { if case .notice(_, .repaired) = $0 { true } else { false } }
            #expect(!repaired)
            let contact = try await alice.contact("carol")
            #expect(try home.history(contact, last: 10).map(\.state) == [.sent])
            try await bad.peer.vanish()
            try await carol.peer.vanish()
        }
    }
}
