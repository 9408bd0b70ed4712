import Identity
import PeerLab
import SecureTransport
import TestTools
import Testing
import Vault
import Wire

@testable import Messenger

/// Who is no contact yet, and writes through the mailbox.
@Suite struct StrangerMailTests {
    private func invite(_ home: Home) throws -> Invite { try home.makeInvite(now: Int64(wallClock() / 1000)) }

    private func introduction(_ bearer: Correspondent, _ capability: [UInt8]) -> MessageContent.Body {
        .introduction(name: "bob", token: bearer.postage, capability: capability)
    }

    /// The mailbox of a server may give mail in another order than it was written.
    @Test func textThatOvertakesItsIntroductionIsReadAfterIt() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let invite = try invite(home)
            let alice = try await lab.reachable(home)
            let (bob, capability) = try await lab.bearer(of: invite, at: home)
            try await bob.begin()
            let first = try await bob.peer.encrypt(introduction(bob, capability))
            let text = try await bob.peer.encrypt("hello")
            try await bob.post([text])
            try await eventually("the text was looked at") { await alice.messenger.desk.processing == 1 }
            #expect(alice.texts.isEmpty)
            try await bob.post([first])
            #expect(try await alice.text() == "hello")
            #expect(try home.book().contacts.map(\.name) == ["bob"])
            try await eventually("both are confirmed") {
                bob.confirmed == Set([first, text].map { Envelope.id(of: $0) })
            }
            try await eventually("both are deleted") { lab.counter("mail_delivered_total") >= 2 }
            try await bob.peer.vanish()
        }
    }

    /// Who has an invite may leave much; until they say who they are, nobody sees it, and others get through.
    @Test func whoDoesNotIntroduceThemselfIsNotHeardAndDelaysNobody() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let invite = try invite(home)
            let friend = try await lab.correspondent("friend", of: home)
            let alice = try await lab.reachable(home)
            let (stranger, _) = try await lab.bearer(of: invite, at: home)
            try await stranger.begin()
            try await friend.begin()
            var spam: [[UInt8]] = []
            for number in 0..<100 { spam.append(try await stranger.peer.encrypt("spam \(number)")) }
            try await stranger.post(spam)
            try await friend.mail("from a friend")
            #expect(try await alice.text() == "from a friend")
            #expect(alice.texts == ["from a friend"])
            try await eventually("the friend hears so") { friend.confirmed.count == 1 }
            #expect(await alice.messenger.desk.processing <= MailDesk.earlyLimit)
            #expect(try home.book().contacts.map(\.name) == ["friend"])
            #expect(stranger.peer.mails.all.isEmpty)
            for peer in [stranger.peer, friend.peer] { try await peer.vanish() }
        }
    }

    /// The text came by mail, and its sender then through a session: what made them a contact does not matter.
    @Test func textThatOvertakesItsSendersSessionIsReadAfterIt() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let invite = try invite(home)
            let alice = try await lab.reachable(home)
            let (bob, _) = try await lab.bearer(of: invite, at: home)
            try await bob.begin()
            try await bob.mail("hello")
            try await eventually("the text was looked at") { await alice.messenger.desk.processing == 1 }
            try await bob.peer.converse(with: alice.id, greeting: bob.peer.greeting(token: invite.token, name: "bob"))
            #expect(try await alice.text(within: 20) == "hello")
            try await bob.peer.vanish()
        }
    }

    /// The invitee's session opens while its introduction, which came by mail, is being stored.
    @Test func sessionThatOpensDuringTheAdmissionByMailStaysUsable() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let invite = try invite(home)
            let alice = try await lab.reachable(home)
            let (bob, capability) = try await lab.bearer(of: invite, at: home)
            try await bob.begin()
            let hold = VaultHold(home.vault)
            defer { hold.release() }
            try await bob.mail(introduction(bob, capability))
            try await eventually("the introduction is being stored") { await alice.messenger.desk.isHeld }
            try await bob.peer.dial(alice.id, greeting: bob.peer.greeting(token: invite.token, name: "bob"))
            try await bob.peer.session.next("handshake") { if case .handshakeCompleted = $0 { () } else { nil } }
            hold.release()
            try await bob.peer.perform { try $0.openConversation() }
            try await bob.peer.say("through the session")
            let heard = try await alice.text()
            #expect(heard == "through the session")
            try await alice.send("and back", to: "bob")
            let answer = try await bob.peer.nextText()
            #expect(answer.text == "and back")
            #expect(try home.book().contacts.map(\.name) == ["bob"])
            #expect(alice.sessions == 1)
            try await bob.peer.vanish()
        }
    }

    /// A repeated request is mailed again, although a text that nobody takes yet waits before it.
    @Test func requestIsRepeatedWhileATextWaits() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("carol")
            let bob = try await ScriptedPeer.loggedIn(lab)
            try await bob.receiveMail(of: home.identity.peerID, capability: Capability.generate())
            try home.request(bob.id, as: "bob", greeting: "first")
            let carol = try lab.person(home)
            try await carol.online()
            try await expectRequest("first", bob)
            let id = try await carol.send("are you there?", to: "bob")
            try await carol.when(id, is: .queued)
            try home.request(bob.id, as: "bob", greeting: "second")
            try await expectRequest("second", bob)
            #expect(bob.mails.all.allSatisfy { $0.text == nil })
            try await bob.vanish()
        }
    }

    private func expectRequest(_ greeting: String, _ peer: ScriptedPeer) async throws {
        try await peer.mails.next("request: \(greeting)") { mail in
            if case .contactRequest("carol", greeting, _)? = mail.content?.body { () } else { nil }
        }
    }

    /// What the user decides by another process, while a repeated request is being stored, stays decided.
    @Test(arguments: [Contact.State.blocked, .contact])
    func decisionOfAnotherProcessStays(_ decision: Contact.State) async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let alice = try await lab.reachable(home)
            let stranger = try await ScriptedPeer.loggedIn(lab)
            let capability = Capability.generate()
            try await stranger.receiveMail(of: alice.id, capability: capability)
            try await stranger.begin(with: alice.id)
            func ask(_ greeting: String) async throws {
                let request = try await stranger.encrypt(
                    .contactRequest(name: "bob", greeting: greeting, capability: capability))
                try await stranger.post([request], to: alice.id, capability: nil)
            }
            try await ask("first")
            _ = try await alice.log.next("request") { if case .request(let contact) = $0 { contact } else { nil } }
            let hold = VaultHold(home.vault) { transaction in
                let before = try ContactBook(reading: transaction)
                var book = before
                try book.change("bob") { contact throws(ContactError) in contact.state = decision }
                try book.write(to: transaction, before: before, now: wallClock())
            }
            defer { hold.release() }
            try await ask("second")
            try await eventually("the request is being stored") { await alice.messenger.desk.isHeld }
            hold.release()
            try await eventually("both are deleted") { lab.counter("mail_delivered_total") >= 2 }
            let contact = try #require(try home.book().contacts.first)
            #expect(contact.state == decision && contact.greeting == "first")
            try await stranger.vanish()
        }
    }
}
