import Identity
import PeerLab
import TestTools
import Testing
import Vault
import Wire

@testable import Messenger

/// What belongs to one of the two, and what the user does not want to be told.
@Suite struct BoundaryTests {
    /// Edits and deletions mean the sender's own messages, whatever they name.
    @Test func nobodyChangesWhatTheOtherWrote() async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bob = try await lab.correspondent("bob", of: home)
            let alice = try await lab.reachable(home)
            let id = try await alice.send("my own words", to: "bob")
            try await alice.when(id, is: .queued)
            try await bob.begin()
            try await bob.mail(.edit(id: id.bytes, text: "his words"))
            try await bob.mail(.delete(id: id.bytes))
            try await bob.mail("the end")
            try await eventually("all has come") { alice.texts.contains("the end") }
            let contact = try await alice.contact("bob")
            let mine = try #require(try home.sent(id, to: contact))
            #expect(mine.text == "my own words" && !mine.isDeleted && mine.editedAt == nil)
            try await bob.peer.vanish()
        }
    }

    /// The setting holds for what the contact hears, not only for what is kept.
    @Test(arguments: [true, false])
    func whoWantsItNotToldThatTheyReadTellsNobody(_ tells: Bool) async throws {
        try await Lab.run(mailbox: true) { lab in
            let home = try lab.home("alice")
            let bob = try await lab.correspondent("bob", of: home)
            try home.update { $0.sendsReadReceipts = tells }
            let alice = try await lab.reachable(home)
            try await bob.begin()
            try await bob.mail("did you see this?")
            #expect(try await alice.text() == "did you see this?")
            let contact = try await alice.contact("bob")
            await alice.messenger.markSeen(contact)
            try await eventually("it is seen") { try home.history(contact, last: 1).first?.state == .seen }
            let isTold = { bob.peer.mails.all.contains { if case .read? = $0.content?.body { true } else { false } } }
            if tells {
                try await eventually("he is told") { isTold() }
            } else {
                // What would have been said by then goes before it.
                for text in ["no answer", "to that"] {
                    try await alice.when(try await alice.send(text, to: "bob"), is: .sent)
                    _ = try await bob.peer.mails.next("text") { $0.text == text ? () : nil }
                }
                #expect(!isTold())
            }
            try await bob.peer.vanish()
        }
    }
}
