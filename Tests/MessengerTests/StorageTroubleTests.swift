import Identity
import PeerLab
import TestTools
import Testing
import Wire

@testable import Messenger
@testable import Vault

/// The disk fails for a while.
@Suite struct StorageTroubleTests {
    private func logins(_ person: Person) -> Int {
        person.log.all.count { if case .ready = $0 { true } else { false } }
    }

    @Test func messageThatIsNotStoredHasFailedAndSaysWhy() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let bob = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(bob.id, "bob", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            try await bob.converse(with: alice.id, greeting: bob.greeting())
            try await bob.say("before")
            #expect(try await alice.text() == "before")
            try home.vault.fail(true)
            let ids = try await (alice.send("lost 1", to: "bob"), alice.send("lost 2", to: "bob"))
            let reason = try await alice.when(ids.0, is: .failed)
            #expect(reason == VaultError.readOnly.description)
            try await alice.when(ids.1, is: .failed)
            try await alice.notice(.storage(.readOnly))
            try home.vault.fail(false)
            #expect(try home.waiting("bob").isEmpty)
            try await eventually("the vault works again") { await !alice.messenger.isStorageTroubled }
            let kept = try await alice.send("kept", to: "bob")
            try await alice.when(kept, is: .queued)
            #expect(bob.envelopes.all.compactMap(\.text) == [])
            try await bob.answer(greeting: bob.greeting())
            let answer = try await bob.nextText()
            #expect(answer.text == "kept")
            try await alice.when(kept, is: .delivered)
            let contact = try await alice.contact("bob")
            #expect(try home.history(contact, last: 10).map(\.text) == ["before", "kept"])
            try await bob.vanish()
        }
    }

    @Test func mailIsKeptByTheServerUntilItIsStored() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bob = try await lab.correspondent("bob", of: home)
            let alice = try await lab.reachable(home)
            try await bob.begin()
            try home.vault.fail(true)
            let texts = ["one", "two", "three"]
            var envelopes: Set<[UInt8]> = []
            for text in texts { envelopes.insert(try await bob.mail(text)) }
            try await alice.notice(.storage(.readOnly))
            #expect(alice.texts.isEmpty && lab.counter("mail_delivered_total") == 0 && bob.confirmed.isEmpty)
            try home.vault.fail(false)
            #expect(try await alice.texts(3) == texts)
            try await eventually("all are confirmed") { bob.confirmed == envelopes }
            try await eventually("all are deleted") { lab.counter("mail_delivered_total") >= 3 }
            #expect(try await alice.texts(texts.count) == texts && logins(alice) == 1)
            try await bob.peer.vanish()
        }
    }

    @Test func sessionWhoseEnvelopeIsNotStoredEndsAndItComesAgain() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let bob = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(bob.id, "bob", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            try await bob.converse(with: alice.id, greeting: bob.greeting())
            try await bob.say("before")
            #expect(try await alice.text() == "before")
            try await bob.frames.next("stored") { if case .stored = $0 { () } else { nil } }
            try home.vault.fail(true)
            let ciphertext = try await bob.encrypt("during")
            try await bob.write(.envelope(ciphertext))
            _ = try await bob.closed()
            #expect(alice.texts == ["before"])
            let said = bob.frames.all.count { if case .stored = $0 { true } else { false } }
            #expect(said == 1)
            try home.vault.fail(false)
            try await bob.converse(with: alice.id, greeting: bob.greeting())
            try await bob.write(.envelope(ciphertext))
            #expect(try await alice.text() == "during")
            try await bob.frames.next("stored") { $0 == .stored([Envelope.id(of: ciphertext)]) ? () : nil }
            try await bob.vanish()
        }
    }

    /// The server has lost its store just when the disk fails: it is told everything when that works again, not at the next login.
    @Test func whatTheServerMustKnowIsToldOnceTheDiskWorksAgain() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bob = try await lab.correspondent("bob", of: home)
            let alice = try await lab.reachable(home)
            try await eventually("all is stored") { await !alice.messenger.isBusy }
            await lab.stopServer()
            try lab.loseMail()
            try home.vault.fail(true)
            try await lab.startServer()
            try await alice.log.next("ready") { if case .ready = $0 { () } else { nil } }
            try await alice.notice(.storage(.readOnly))
            try home.vault.fail(false)
            try await eventually("bob's mail is taken", within: 30) {
                let answers = try? await bob.peer.post([[1]], to: alice.id, capability: bob.postage)
                if case .stored? = answers?.first { return true } else { return false }
            }
            try await eventually("there are prekeys", within: 30) {
                let answer = try await bob.peer.ask {
                    .fetchPrekeys(request: $0, peer: alice.id.key, capability: bob.postage)
                }
                if case .prekeys(_, let bundle) = answer { return !bundle.isEmpty } else { return false }
            }
            #expect(logins(alice) == 2)
            try await bob.peer.vanish()
        }
    }
}
