import Identity
import PeerLab
import SecureTransport
import TestTools
import Testing
import Vault
import Wire

@testable import Messenger

/// Who is shut out, or not let in yet, learns nothing: no receipt, no presence, no typing, no answer.
@Suite struct SilenceTests {
    /// A friend writes and hears of it: what alice had to say before that was said.
    private func expectAllSaid(_ friend: Correspondent, _ alice: Person) async throws {
        let envelope = try await friend.mail("are you there?")
        try await eventually("the friend hears so") { friend.confirmed.contains(envelope) }
        try await eventually("nothing is under way") { await alice.messenger.desk.count == 0 }
    }

    @Test func whoIsShutOutLearnsNothing() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bob = try await lab.correspondent("bob", of: home)
            let friend = try await lab.correspondent("friend", of: home)
            let alice = try await lab.reachable(home)
            try await bob.begin()
            try await friend.begin()
            let first = try await bob.mail("first")
            #expect(try await alice.text() == "first")
            try await eventually("he hears so") { bob.confirmed == [first] }
            try await bob.peer.converse(with: alice.id, greeting: bob.peer.greeting())
            try await bob.peer.say("second")
            #expect(try await alice.text() == "second")
            let known = try await alice.contact("bob")
            try home.block("bob")
            _ = try await bob.peer.closed()
            try await eventually("the server is told") {
                let answers = try await bob.peer.post([[1]], to: alice.id, capability: bob.postage)
                return answers.first.map { if case .refused(_, .capabilityRefused, _) = $0 { true } else { false } }
                    == true
            }
            let before = (bob.peer.mails.count, bob.peer.frames.count, bob.peer.rendezvous.count)
            // A server that does not heed it.
            let bodies: [MessageContent.Body] = [
                .text("third", answers: nil, expiresAfter: nil), .retry(envelopes: [first]), .profile(name: "x"),
                .contactRequest(name: "bob", greeting: "let me in", capability: Capability.generate()),
            ]
            for (number, body) in bodies.enumerated() {
                let sealed = try MailSeal.seal(
                    try await bob.peer.encrypt(body), from: bob.peer.identity, to: alice.id)
                await alice.messenger.take(.item(mail: UInt64(1_000 + number), storedAt: 0, envelope: sealed))
            }
            await alice.messenger.markSeen(known)
            await alice.messenger.setTyping(true, to: known)
            await alice.messenger.ping(known)
            try await bob.peer.dial(alice.id, greeting: bob.peer.greeting())
            try await eventually("he is refused") { bob.peer.rendezvous.count > before.2 }
            try await expectAllSaid(friend, alice)
            #expect(bob.peer.mails.count == before.0 && bob.peer.frames.count == before.1)
            #expect(bob.peer.rendezvous.dropFirst(before.2).allSatisfy { $0.body == .bye })
            #expect(try await alice.texts(3) == ["first", "second", "are you there?"])
            let contact = try #require(try home.book().contacts.first { $0.name == "bob" })
            #expect(contact.state == .blocked && contact.ownName != "x")
            #expect(try home.waiting("bob").isEmpty)
            for peer in [bob.peer, friend.peer] { try await peer.vanish() }
        }
    }

    /// The user decides while the mail is being stored: it is kept, nobody hears so, and the server need not keep it.
    @Test func whoIsShutOutWhileTheirMailIsStoredLearnsNothing() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bob = try await lab.correspondent("bob", of: home)
            let alice = try await lab.reachable(home)
            try await bob.begin()
            let block = VaultHold(home.vault) { transaction in
                let before = try ContactBook(reading: transaction)
                var book = before
                try book.change("bob") { contact throws(ContactError) in contact.state = .blocked }
                try book.write(to: transaction, before: before, now: wallClock())
            }
            defer { block.release() }
            // The decision has a commit of its own, before that of the mail.
            try await eventually("it has begun") { block.hasBegun }
            let hold = VaultHold(home.vault)
            defer { hold.release() }
            try await bob.mail("too late")
            try await eventually("it is being stored") { await alice.messenger.desk.processing == 1 }
            block.release()
            try await eventually("the user's decision is known") {
                await alice.messenger.contacts().first?.state == .blocked
            }
            hold.release()
            try await eventually("it is deleted") { lab.counter("mail_delivered_total") >= 1 }
            #expect(await alice.messenger.desk.count == 0)
            #expect(bob.peer.mails.all.isEmpty)
            try await bob.peer.vanish()
        }
    }

    /// Who asks hears nothing before the answer, not even that the request came.
    @Test func whoAsksLearnsNothingBeforeTheAnswer() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let invite = try home.makeInvite(now: Int64(wallClock() / 1000))
            let friend = try await lab.correspondent("friend", of: home)
            let alice = try await lab.reachable(home)
            let (stranger, capability) = try await lab.bearer(of: invite, at: home)
            try await friend.begin()
            try await stranger.begin()
            try await stranger.mail(.contactRequest(name: "bob", greeting: "hello", capability: capability))
            let asking = try await alice.log.next("request") {
                if case .request(let contact) = $0 { contact } else { nil }
            }
            let bodies: [MessageContent.Body] = [
                .text("hello?", answers: nil, expiresAfter: nil), .capability(capability), .profile(name: "x"),
                .read(messages: [[UInt8](repeating: 1, count: 16)]),
                .retry(envelopes: [[UInt8](repeating: 1, count: 16)]),
            ]
            for body in bodies { try await stranger.mail(body) }
            await alice.messenger.markSeen(asking)
            await alice.messenger.setTyping(true, to: asking)
            await alice.messenger.ping(asking)
            let envelope = try await friend.mail("are you there?")
            try await eventually("the friend hears so") { friend.confirmed.contains(envelope) }
            #expect(stranger.peer.mails.all.isEmpty && stranger.peer.rendezvous.isEmpty)
            #expect(stranger.peer.packets.all.isEmpty)
            #expect(try await alice.texts(1) == ["are you there?"])
            #expect(try home.waiting("bob").isEmpty)
            for peer in [stranger.peer, friend.peer] { try await peer.vanish() }
        }
    }
}
