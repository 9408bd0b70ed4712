import Identity
import Messenger
import PeerLab
import Ratchet
import TestTools
import Testing
import Vault

/// Through the server's mailbox, for those who are not there.
@Suite struct MailTests {
    /// Two people who know each other and have been online once, both offline now.
    private func acquaintances(_ lab: Lab) async throws -> (alice: Home, bob: Home) {
        let homes = (alice: try lab.home("alice"), bob: try lab.home("bob"))
        try lab.introduce(homes.alice, homes.bob)
        for home in [homes.alice, homes.bob] { try await visit(home, lab) }
        return homes
    }

    /// Goes online for as long as the mailbox needs to know everything.
    private func visit(_ home: Home, _ lab: Lab) async throws {
        let person = try lab.person(home)
        try await person.online()
        try await person.mailReachesThem()
        await person.stop()
    }

    private func online(_ home: Home, _ lab: Lab) async throws -> Person {
        let person = try lab.person(home)
        try await person.online()
        return person
    }

    private func states(_ home: Home, _ name: String) throws -> [StoredMessage.State] {
        let contact = try #require(try home.book().contacts.first { $0.name == name })
        return try home.history(contact, last: 1_000).map(\.state)
    }

    private func history(_ home: Home, _ name: String) throws -> [String] {
        let contact = try #require(try home.book().contacts.first { $0.name == name })
        return try home.history(contact, last: 10_000).map(\.text)
    }

    @Test func messageTravelsBetweenPeopleWhoAreNeverThereTogether() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = try await acquaintances(lab)
            let alice = try await online(homes.alice, lab)
            let id = try await alice.send("while you were out", to: "bob")
            try await alice.when(id, is: .sent)
            await alice.stop()
            let bob = try await online(homes.bob, lab)
            #expect(try await bob.text() == "while you were out")
            try await eventually("the receipt is mailed") { lab.counter("mail_stored_total") >= 2 }
            await bob.stop()
            #expect(try states(homes.alice, "bob") == [.sent])
            let again = try await online(homes.alice, lab)
            try await again.when(id, is: .delivered)
            await again.stop()
            #expect(try states(homes.alice, "bob") == [.delivered])
            #expect(try history(homes.bob, "alice") == ["while you were out"])
        }
    }

    @Test func manyKeepTheirOrderAlsoWithWhatFollowsInASession() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = try await acquaintances(lab)
            let alice = try await online(homes.alice, lab)
            let texts = (0..<300).map { "message \($0)" }
            var last: MessageID?
            for text in texts.prefix(200) { last = try await alice.send(text, to: "bob") }
            try await alice.when(try #require(last), is: .sent)
            let bob = try lab.person(homes.bob)
            try await bob.messenger.start()
            for text in texts.dropFirst(200) { last = try await alice.send(text, to: "bob") }
            try await alice.when(try #require(last), is: .delivered)
            try await eventually("all are delivered") { try states(homes.alice, "bob").allSatisfy { $0 == .delivered } }
            #expect(try history(homes.bob, "alice") == texts)
            #expect(Set(bob.texts).count == 300 && bob.texts.count == 300)
        }
    }

    @Test func bearerOfAnInviteIsAdmittedByMail() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = (alice: try lab.home("alice"), bob: try lab.home("bob"))
            let invite = try homes.bob.makeInvite(now: Int64(wallClock() / 1000))
            try await visit(homes.bob, lab)
            try Lab.add(homes.bob.identity.peerID, "bob", to: homes.alice, token: invite.token)
            let alice = try await online(homes.alice, lab)
            let id = try await alice.send("I have your invite", to: "bob")
            try await alice.when(id, is: .sent)
            await alice.stop()
            let bob = try await online(homes.bob, lab)
            #expect(try await bob.text() == "I have your invite")
            #expect(try homes.bob.book().contacts.map(\.name) == ["alice"])
            let answer = try await bob.send("welcome", to: "alice")
            try await bob.when(answer, is: .sent)
            await bob.stop()
            let again = try await online(homes.alice, lab)
            #expect(try await again.text() == "welcome")
            try await again.when(id, is: .delivered)
        }
    }

    /// What was written before the first time online is in the outbox before anything else could be.
    @Test func whatWasWrittenBeforeEverGoingOnlineArrives() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = (alice: try lab.home("alice"), bob: try lab.home("bob"))
            let invite = try homes.bob.makeInvite(now: Int64(wallClock() / 1000), singleUse: true)
            try Lab.add(homes.bob.identity.peerID, "bob", to: homes.alice, token: invite.token)
            let first = try homes.alice.leave("one", for: try #require(try homes.alice.book().contacts.first))
            // Nobody can reach him yet.
            let early = try await online(homes.alice, lab)
            #expect(try await early.whenOffline() == "not online")
            await early.stop()
            try await visit(homes.bob, lab)
            let alice = try await online(homes.alice, lab)
            let second = try await alice.send("two", to: "bob")
            try await alice.when(second, is: .sent)
            await alice.stop()
            let bob = try await online(homes.bob, lab)
            #expect(try await bob.texts(2) == ["one", "two"])
            let again = try await online(homes.alice, lab)
            for id in [first, second] { try await again.when(id, is: .delivered) }
        }
    }

    @Test func anInviteForOneAdmitsOneByMail() async throws {
        try await Lab.run(mailbox: true) { lab in
            let bob = try lab.home("bob")
            let invite = try bob.makeInvite(now: Int64(wallClock() / 1000), singleUse: true)
            try await visit(bob, lab)
            for name in ["alice", "mallory"] {
                let home = try lab.home(name)
                try Lab.add(bob.identity.peerID, "bob", to: home, token: invite.token)
                let person = try await online(home, lab)
                try await person.when(try await person.send("it is \(name)", to: "bob"), is: .sent)
                await person.stop()
            }
            let owner = try await online(bob, lab)
            #expect(try await owner.text() == "it is alice")
            try await eventually("who came too late is refused") { lab.counter("mail_delivered_total") >= 3 }
            #expect(owner.texts == ["it is alice"])
            #expect(try bob.book().contacts.map(\.name) == ["alice"])
        }
    }

    @Test func strangersAskAndAreAnswered() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = (carol: try lab.home("carol"), bob: try lab.home("bob"))
            _ = try homes.bob.makeInvite(now: Int64(wallClock() / 1000))
            try await visit(homes.bob, lab)
            try homes.carol.request(homes.bob.identity.peerID, as: "bob", greeting: "we met at the fair")
            let carol = try await online(homes.carol, lab)
            // What she writes waits for his answer.
            let id = try await carol.send("are you there?", to: "bob")
            let bob = try await online(homes.bob, lab)
            let asking = try await bob.log.next("request") {
                if case .request(let contact) = $0 { contact } else { nil }
            }
            #expect(asking.name == "carol" && asking.greeting == "we met at the fair" && asking.peer == carol.id)
            #expect(bob.texts.isEmpty)
            try homes.bob.accept("carol")
            #expect(try await bob.text() == "are you there?")
            try await carol.when(id, is: .delivered)
            #expect(try homes.carol.book().contacts.map(\.state) == [.contact])
        }
    }

    @Test func whoIsShutOutReachesNobody() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = try await acquaintances(lab)
            let before = try homes.bob.vault.read { try $0.mailBookkeeping() }.capabilitiesDigest
            try homes.bob.block("alice")
            let bob = try await online(homes.bob, lab)
            try await eventually("the server is told") {
                try homes.bob.vault.read { try $0.mailBookkeeping() }.capabilitiesDigest != before
            }
            let alice = try await online(homes.alice, lab)
            try await alice.send("let me in", to: "bob")
            try await alice.notice(.mailRefused("they do not accept mail from you"))
            #expect(try states(homes.alice, "bob") == [.queued])
            #expect(bob.texts.isEmpty)
        }
    }

    /// The receiver's ratchet is lost while mail for it waits: it asks for the mail again, and nothing is missing.
    @Test func mailThatCannotBeReadIsAskedForAgain() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = try await acquaintances(lab)
            let alice = try await online(homes.alice, lab)
            try await alice.when(try await alice.send("zero", to: "bob"), is: .sent)
            await alice.stop()
            let first = try await online(homes.bob, lab)
            #expect(try await first.text() == "zero")
            try await eventually("the receipt is mailed") { lab.counter("mail_stored_total") >= 2 }
            await first.stop()
            let again = try await online(homes.alice, lab)
            var last: MessageID?
            for text in ["one", "two", "three"] { last = try await again.send(text, to: "bob") }
            try await again.when(try #require(last), is: .sent)
            await again.stop()
            let contact = try #require(try homes.bob.book().contacts.first?.row)
            try homes.bob.vault.writeAndWait {
                let fresh = PeerRatchet(own: homes.bob.identity.peerID, peer: homes.alice.identity.peerID)
                try $0.setRatchet(fresh.encode(), for: contact)
            }
            let bob = try await online(homes.bob, lab)
            try await bob.notice(.repairing)
            let sender = try await online(homes.alice, lab)
            #expect(try await bob.texts(3) == ["one", "two", "three"])
            try await sender.when(try #require(last), is: .delivered)
            #expect(try history(homes.bob, "alice") == ["zero", "one", "two", "three"])
        }
    }

    @Test func changesAndReceiptsTravelByMail() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = try await acquaintances(lab)
            let alice = try await online(homes.alice, lab)
            let edited = try await alice.send("first", to: "bob")
            let deleted = try await alice.send("second", to: "bob")
            let bobAtAlice = try await alice.contact("bob")
            try await alice.when(deleted, is: .queued)
            try await alice.messenger.edit(edited, to: "first, corrected", in: bobAtAlice)
            try await alice.messenger.delete(deleted, in: bobAtAlice)
            try await eventually("all is mailed") { lab.counter("mail_stored_total") >= 4 }
            await alice.stop()
            let bob = try await online(homes.bob, lab)
            let aliceAtBob = try await bob.contact("alice")
            try await eventually("edited and deleted") {
                let messages = try homes.bob.history(aliceAtBob, last: 10)
                return messages.map(\.text) == ["first, corrected", ""] && messages[1].isDeleted
            }
            try await eventually("what came is confirmed") {
                // Mails are acknowledged once the receipts for them are stored.
                try lab.counter("mail_delivered_total") >= 4
                    && homes.bob.counts().values.allSatisfy { $0.waiting == 0 }
            }
            let mails = lab.counter("mail_stored_total")
            await bob.messenger.markSeen(aliceAtBob)
            try await bob.messenger.react(to: edited, with: "👍", in: aliceAtBob)
            try await eventually("receipts and reaction are mailed") {
                lab.counter("mail_stored_total") >= mails + 2
            }
            await bob.stop()
            let again = try await online(homes.alice, lab)
            try await again.when(edited, is: .read)
            try await eventually("the reaction is there") {
                try homes.alice.history(bobAtAlice, last: 10).first?.reactions.map(\.text) == ["👍"]
            }
        }
    }

    /// A session that is open and says nothing keeps a message from the mailbox for five seconds, and not for ever.
    @Test func silentSessionKeepsNothingFromTheMailbox() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bob = try await lab.correspondent("bob", of: home)
            let alice = try await lab.reachable(home)
            try await bob.peer.converse(with: alice.id, greeting: bob.peer.greeting())
            try await alice.whenOnline()
            try await bob.peer.perform { $0.confirmsEnvelopes = false }
            let id = try await alice.send("do you hear me?", to: "bob")
            #expect(try await bob.peer.nextText().text == "do you hear me?")
            try await alice.when(id, is: .sent)
            #expect(alice.sessions == 1)
            try await bob.peer.vanish()
        }
    }

    /// The server has lost everything: what was mailed is mailed again, keys and capabilities too.
    @Test func serverThatLostItsStoreIsToldEverythingAgain() async throws {
        try await Lab.run(mailbox: true) { lab in
            let homes = try await acquaintances(lab)
            let alice = try await online(homes.alice, lab)
            let id = try await alice.send("still on its way", to: "bob")
            try await alice.when(id, is: .sent)
            await lab.stopServer()
            try lab.loseMail()
            try await lab.startServer()
            let bob = try await online(homes.bob, lab)
            #expect(try await bob.text() == "still on its way")
            try await alice.when(id, is: .delivered)
        }
    }
}
