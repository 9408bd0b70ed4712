import Testing

@testable import Vault

@Suite struct HistoryTests {
    private let home: TestHome
    private let vault: Vault
    private let bob: ContactRow

    init() throws {
        home = try TestHome()
        let vault = try home.create()
        self.vault = vault
        let contact = try StoredContact.sample()
        bob = try vault.writeAndWait { try $0.insertContact(contact) }
    }

    private func append(_ messages: StoredMessage...) throws -> [Int64?] {
        try vault.writeAndWait { tx in try messages.map { try tx.appendMessage($0).newRow } }
    }

    private func message(_ number: Int, _ direction: StoredMessage.Direction = .outgoing) throws -> StoredMessage? {
        try vault.read { try $0.message(bob, direction, id: id(number)) }
    }

    @Test func aMessageComesBackAsItWasStored() throws {
        var one = StoredMessage.sample(bob, 1, "Grüße\u{0}\n👍", .incoming)
        one.sequence = 7
        one.editSequence = 8
        one.replyTo = id(5)
        one.reactions = [.init(isOwn: true, text: "👍"), .init(isOwn: false, text: "x")]
        one.editedAt = 3
        one.expiresAfter = 60
        var unknown = StoredMessage.sample(bob, 2, "", .incoming)
        unknown.kind = 99
        unknown.payload = [1, 2, 3]
        let rows = try append(one, unknown)
        one.row = try #require(rows[0])
        unknown.row = try #require(rows[1])
        vault.close()
        let again = try home.open()
        #expect(try again.read { try $0.messages(with: bob, last: 10) } == [one, unknown])
    }

    @Test func aMessageIsStoredOnceForEachDirection() throws {
        #expect(try append(.sample(bob, 1))[0] != nil)
        #expect(try append(.sample(bob, 1))[0] == nil)
        #expect(try append(.sample(bob, 1, "other", .incoming))[0] != nil)
        #expect(try vault.read { try $0.messageCount(with: bob) } == 2)
        #expect(try vault.read { try $0.message(bob, id: id(1)) }?.direction == .incoming)
        #expect(throws: VaultError.unknown("contact")) { _ = try append(.sample(ContactRow(77), 1)) }
        var short = StoredMessage.sample(bob, 3)
        short.messageID = [1]
        #expect(throws: VaultError.outOfRange("a message's id")) { _ = try append(short) }
    }

    @Test func pagesGoBackAndForth() throws {
        try vault.writeAndWait { tx in for number in 1...25 { try tx.appendMessage(.sample(bob, number)) } }
        try vault.read { reader in
            let last = try reader.messages(with: bob, last: 10)
            #expect(last.map(\.messageID) == (16...25).map { id($0) })
            let before = try reader.messages(with: bob, before: last[0].row, last: 10)
            #expect(before.map(\.messageID) == (6...15).map { id($0) })
            let first = try reader.messages(with: bob, before: before[0].row, last: 10)
            #expect(first.map(\.messageID) == (1...5).map { id($0) })
            #expect(try reader.messages(with: bob, after: last[8].row, first: 10).map(\.messageID) == [id(25)])
            #expect(try reader.messages(with: bob, last: -1).isEmpty)
            #expect(try reader.messages(with: ContactRow(9), last: 5).isEmpty)
        }
    }

    @Test func statesGoForwardOnly() throws {
        _ = try append(.sample(bob, 1))
        func advance(_ state: StoredMessage.State, _ reason: String? = nil) throws -> Bool {
            try vault.writeAndWait { try $0.advanceMessage(bob, id: id(1), to: state, reason: reason) }
        }
        #expect(try advance(.failed, "no room"))
        #expect(try message(1)?.reason == "no room")
        #expect(try advance(.queued))
        #expect(try message(1)?.reason == nil)
        #expect(try advance(.sent))
        #expect(try !advance(.sent))
        #expect(try !advance(.queued))
        #expect(try advance(.delivered))
        #expect(try !advance(.failed))
        #expect(try !advance(.sent))
        #expect(try advance(.read))
        #expect(try !advance(.delivered))
        #expect(try message(1)?.state == .read)
        #expect(try !advance(.unread))
        #expect(try vault.writeAndWait { try $0.advanceMessage(bob, id: id(404), to: .sent) } == false)
        #expect(try vault.read { try $0.messages(to: bob, in: .read, first: 5) }.map(\.messageID) == [id(1)])
    }

    @Test func anEditReplacesTheTextAndAnOlderOneDoesNot() throws {
        var one = StoredMessage.sample(bob, 1, "first", .incoming)
        one.sequence = 10
        _ = try append(one)
        func edit(_ text: String, _ sequence: UInt64) throws -> StoredMessage? {
            try vault.writeAndWait {
                try $0.editMessage(bob, .incoming, id: id(1), text: text, at: sequence, sequence: sequence)
            }
        }
        #expect(try edit("third", 12)?.text == "third")
        #expect(try edit("second", 11) == nil)
        #expect(try message(1, .incoming)?.text == "third")
        #expect(try message(1, .incoming)?.editedAt == 12)
        // Nobody edits what the other wrote.
        #expect(
            try vault.writeAndWait {
                try $0.editMessage(bob, .outgoing, id: id(1), text: "forged", at: 99, sequence: 99)
            } == nil)
    }

    @Test func aDeletedMessageKeepsItsPlaceAndNothingElse() throws {
        var one = StoredMessage.sample(bob, 1, "regretted", .incoming)
        one.reactions = [.init(isOwn: true, text: "!")]
        _ = try append(one)
        let left = try vault.writeAndWait { try $0.deleteMessage(bob, .incoming, id: id(1)) }
        #expect(left?.isDeleted == true && left?.text == "" && left?.reactions == [])
        #expect(try append(one)[0] == nil)
        #expect(try vault.read { try $0.unreadCount(from: bob) } == 0)
        #expect(try vault.search("regretted", limit: 5).isEmpty)
        #expect(
            try vault.writeAndWait {
                try $0.editMessage(bob, .incoming, id: id(1), text: "back", at: 99, sequence: 99)
            } == nil)
        #expect(try vault.writeAndWait { try $0.react(bob, id: id(1), isOwn: true, "x") } == nil)
    }

    @Test func eachOfTheTwoHasOneReaction() throws {
        _ = try append(.sample(bob, 1))
        func react(_ isOwn: Bool, _ text: String) throws -> [StoredMessage.Reaction]? {
            try vault.writeAndWait { try $0.react(bob, id: id(1), isOwn: isOwn, text) }?.reactions
        }
        _ = try react(true, "👍")
        _ = try react(false, "👎")
        #expect(try react(true, "🎉") == [.init(isOwn: false, text: "👎"), .init(isOwn: true, text: "🎉")])
        #expect(try react(false, "") == [.init(isOwn: true, text: "🎉")])
        #expect(try vault.writeAndWait { try $0.react(bob, id: id(2), isOwn: true, "x") } == nil)
    }

    @Test func unreadMarksAreCountedAndTakenAwayOnce() throws {
        let rows = try append(
            .sample(bob, 1, "a", .incoming), .sample(bob, 2, "b"), .sample(bob, 3, "c", .incoming),
            .sample(bob, 4, "d", .incoming))
        #expect(try vault.read { try $0.unreadCounts() } == [bob: 3])
        let upTo = try #require(rows[2])
        let seen = try vault.writeAndWait { try $0.markSeen(from: bob, upTo: upTo, now: 5) }
        #expect(seen.map(\.messageID) == [id(1), id(3)])
        #expect(try vault.read { try $0.unreadCount(from: bob) } == 1)
        #expect(try vault.writeAndWait { try $0.markSeen(from: bob, now: 5) }.map(\.messageID) == [id(4)])
        #expect(try vault.writeAndWait { try $0.markSeen(from: bob, now: 5) }.isEmpty)
    }

    @Test func disappearingMessagesGoWhenTheirTimeIsOver() throws {
        var own = StoredMessage.sample(bob, 1, "own vanishing")
        own.expiresAfter = 10
        own.storedAt = 1_000
        var theirs = StoredMessage.sample(bob, 2, "their vanishing", .incoming)
        theirs.expiresAfter = 10
        _ = try append(own, theirs, .sample(bob, 3, "staying"))
        #expect(try vault.read { try $0.nextExpiry() } == 11_000)
        #expect(try vault.writeAndWait { try $0.expireMessages(now: 10_999) }.isEmpty)
        // The time of what came in begins when it is read.
        _ = try vault.writeAndWait { try $0.markSeen(from: bob, now: 50_000) }
        #expect(try vault.search("vanishing", limit: 5).count == 2)
        let first = try vault.writeAndWait { try $0.expireMessages(now: 11_000) }
        #expect(first.map(\.messageID) == [id(1)] && first.map(\.direction) == [.outgoing])
        #expect(try vault.read { try $0.nextExpiry() } == 60_000)
        #expect(try vault.writeAndWait { try $0.expireMessages(now: .max) }.map(\.messageID) == [id(2)])
        #expect(try vault.search("vanishing", limit: 5).isEmpty)
        #expect(try vault.read { try $0.messages(with: bob, last: 5) }.map(\.text) == ["staying"])
        #expect(try vault.read { try $0.nextExpiry() } == nil)
    }

    @Test func aRemovedMessageDoesNotComeBack() throws {
        var one = StoredMessage.sample(bob, 1, "one vanishing", .incoming)
        one.expiresAfter = 1
        one.state = .seen
        let now = one.storedAt + 1_000
        let row = try #require(try append(one, .sample(bob, 2, "two"))[0])
        #expect(try vault.read { try !$0.isGone(bob, .incoming, id: id(1)) })
        #expect(try vault.writeAndWait { try $0.expireMessages(now: now) }.map(\.row) == [row])
        #expect(try vault.writeAndWait { try $0.removeMessage(row: row, now: 5) } == false)
        #expect(try vault.read { try $0.isGone(bob, .incoming, id: id(1)) })
        #expect(try vault.read { try !$0.isGone(bob, .outgoing, id: id(1)) })
        let repeated = one
        try vault.writeAndWait { [bob] (tx) throws in
            #expect(try tx.appendMessage(repeated) == .known)
            #expect(try tx.editMessage(bob, .incoming, id: id(1), text: "back", at: 99, sequence: 99) == nil)
            #expect(try tx.deleteMessage(bob, .incoming, id: id(1)) == nil)
            #expect(try tx.react(bob, id: id(1), isOwn: false, "x") == nil)
            var replacement = repeated
            replacement.isProvisional = true
            #expect(try tx.appendMessage(replacement) == .known)
        }
        #expect(try vault.read { try $0.messages(with: bob, last: 5) }.map(\.text) == ["two"])
        #expect(try vault.search("vanishing", limit: 5).isEmpty)
        // After many days nobody repeats it any more.
        let day: UInt64 = 86_400_000
        #expect(try vault.writeAndWait { try $0.prune(now: now + 60 * day) } == 0)
        #expect(try vault.writeAndWait { try $0.prune(now: now + 61 * day) } == 1)
        #expect(try vault.read { try !$0.isGone(bob, .incoming, id: id(1)) })
        #expect(try append(one)[0] != nil)
    }
}
