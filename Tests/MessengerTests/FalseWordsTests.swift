import Identity
import PeerLab
import TestTools
import Testing
import Vault
import Wire

@testable import Messenger

/// Confirmations of what never was, and mail that no honest server would send.
@Suite struct FalseWordsTests {
    private let info = MailboxInfo(
        waiting: 0, oneTimeKeysLeft: 0, timeToLive: 86_400, quota: 1 << 20, generation: [UInt8](repeating: 5, count: 16)
    )

    private func ids(_ count: Int) -> [[UInt8]] { (0..<count).map { _ in MessageID.random().bytes } }

    /// Who confirms what was never sent, or the same again and again, keeps nobody's disk busy.
    @Test func floodOfConfirmationsCostsTheDiskNothing() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let bad = try await ScriptedPeer.loggedIn(lab)
            let carol = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(bad.id, "bad", to: home, isIntroduced: true)
            try Lab.add(carol.id, "carol", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            for peer in [bad, carol] {
                try await peer.perform { $0.confirmsEnvelopes = false }
                try await peer.converse(with: alice.id, greeting: peer.greeting())
            }
            let sent = (try await alice.send("to bad", to: "bad"), try await alice.send("to carol", to: "carol"))
            let (own, foreign) = (try await bad.nextText().id, try await carol.nextText().id)
            try await carol.say("before")
            #expect(try await alice.text() == "before")
            try await eventually("nothing is being stored") { await alice.messenger.pendingCommits == 0 }
            let hold = VaultHold(home.vault)
            defer { hold.release() }
            let frames = try (0..<64).flatMap { _ in
                try ConversationFrame.stored(ids(ConversationFrame.maximumIDs)).encode()
                    + ConversationFrame.stored([own, foreign, own]).encode()
            }
            // 25 times 8,192 that never were.
            for number in 0..<25 {
                try await bad.write(frames)
                try await bad.write(.ping(UInt64(number)))
                _ = try await bad.frames.next("pong") { $0 == .pong(UInt64(number)) ? () : nil }
            }
            // One for what was confirmed, and what housekeeping does.
            #expect(await alice.messenger.pendingCommits <= 4)
            hold.release()
            try await alice.when(sent.0, is: .delivered)
            try await carol.say("after")
            #expect(try await alice.text() == "after")
            let toCarol = try home.history(try await alice.contact("carol"), last: 10)
            #expect(toCarol.first { $0.messageID == sent.1.bytes }?.state == .queued)
            #expect(try home.waiting("carol").map(\.envelopeID) == [foreign])
            try await bad.vanish()
            try await carol.vanish()
        }
    }

    /// MAILBOX comes once in a connection: what it sets off is not set off again.
    @Test func repeatedMailboxFramesSetOffNothing() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let alice = try await lab.reachable(home)
            try await eventually("all is stored") {
                let (pending, desk) = await (alice.messenger.pendingCommits, alice.messenger.desk)
                return pending == 0 && !desk.isPublicationUnderWay && !desk.areCapabilitiesUnderWay
            }
            let before = try home.vault.read { try $0.mailBookkeeping() }
            let hold = VaultHold(home.vault)
            defer { hold.release() }
            for number in 0..<1_000 {
                await alice.messenger.take(
                    MailFrame.mailbox(
                        MailboxInfo(
                            waiting: 7, oneTimeKeysLeft: 0, timeToLive: 1, quota: 1,
                            generation: [UInt8](repeating: UInt8(number % 256), count: 16))))
            }
            // What housekeeping does.
            #expect(await alice.messenger.pendingCommits <= 4)
            hold.release()
            let told = alice.log.all.count { if case .mailbox = $0 { true } else { false } }
            #expect(told == 1)
            #expect(try home.vault.read { try $0.mailBookkeeping() } == before)
        }
    }

    /// A server that pushes the same mails again and again, also under new numbers.
    @Test func floodOfMailIsBoundedAndShownOnce() async throws {
        // The server has no mailbox: the test speaks for one.
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let bob = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(bob.id, "bob", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            try await bob.converse(with: alice.id, greeting: bob.greeting())
            try await bob.say("zero")
            #expect(try await alice.text() == "zero")
            await alice.messenger.take(.mailbox(info))
            var envelopes: [[UInt8]] = []
            for number in 1...50 {
                let ciphertext = try await bob.encrypt("\(number)")
                envelopes.append(try MailSeal.seal(ciphertext, from: bob.identity, to: alice.id))
            }
            try await eventually("nothing is being stored") { await alice.messenger.pendingCommits == 0 }
            let hold = VaultHold(home.vault)
            defer { hold.release() }
            for number in 0..<5_000 {
                // Every hundredth number is used twice.
                let frame = MailFrame.item(
                    mail: UInt64(number - (number % 100 == 1 ? 1 : 0)), storedAt: 0,
                    envelope: envelopes[number % envelopes.count])
                await alice.messenger.take(frame)
            }
            #expect(await alice.messenger.desk.processing <= Conversation.receivingLimit)
            #expect(await alice.messenger.desk.count <= MailDesk.limit)
            #expect(await alice.messenger.pendingCommits <= Conversation.receivingLimit + 8)
            hold.release()
            #expect(try await alice.texts(51) == (0...50).map { $0 == 0 ? "zero" : "\($0)" })
            try await eventually("all is looked at") { await alice.messenger.desk.count == 0 }
            for (number, envelope) in envelopes.enumerated() {
                await alice.messenger.take(.item(mail: UInt64(10_000 + number), storedAt: 0, envelope: envelope))
            }
            try await eventually("all is looked at") { await alice.messenger.desk.count == 0 }
            try await bob.say("last")
            #expect(try await alice.texts(52).last == "last" && alice.texts.count == 52)
            // What was said about the repetitions is said for many at a time.
            #expect(try home.waiting("bob").count <= 100)
            try await bob.vanish()
        }
    }

    /// A server that pushes rubbish and takes no word about it is not read from for ever.
    @Test func whatIsOwedToADeafServerIsBounded() async throws {
        try await Lab.run { lab in
            let alice = try lab.person(try lab.home("alice"))
            try await alice.online()
            for number in 0..<5_000 {
                let rubbish = (0..<300).map { UInt8(truncatingIfNeeded: number + $0) }
                await alice.messenger.take(.item(mail: UInt64(number), storedAt: 0, envelope: rubbish))
            }
            let desk = await alice.messenger.desk
            #expect(desk.acknowledgements <= MailDesk.limit && desk.count <= MailDesk.limit)
            await alice.messenger.take(.mailbox(info))
            try await eventually("all is looked at and acknowledged") {
                let desk = await alice.messenger.desk
                return desk.count == 0 && desk.acknowledgements == 0
            }
        }
    }

    /// Mail in any order, and the session besides: the history has the order in which it was written.
    @Test func historyKeepsTheSendersOrderWhateverTheServerDoes() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let bob = try await ScriptedPeer.loggedIn(lab)
            try Lab.add(bob.id, "bob", to: home, isIntroduced: true)
            let alice = try lab.person(home) { $0.policy = .relay }
            try await alice.online()
            try await bob.converse(with: alice.id, greeting: bob.greeting())
            try await bob.say("0")
            var mails: [MailFrame] = []
            for number in 1...8 {
                let ciphertext = try await bob.encrypt("\(number)")
                let sealed = try MailSeal.seal(ciphertext, from: bob.identity, to: alice.id)
                mails.append(.item(mail: UInt64(number), storedAt: 0, envelope: sealed))
            }
            for number in [3, 1, 8] { await alice.messenger.take(mails[number - 1]) }
            #expect(try await alice.texts(4).count == 4)
            try await bob.say("9")
            for number in [6, 2, 7, 4, 5] { await alice.messenger.take(mails[number - 1]) }
            #expect(try await alice.texts(10).count == 10)
            let contact = try await alice.contact("bob")
            #expect(try home.history(contact, last: 100).map(\.text) == (0...9).map { "\($0)" })
            try await bob.vanish()
        }
    }
}
