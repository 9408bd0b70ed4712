import Identity
import Testing

@testable import Messenger

@Suite struct ContactBookTests {
    private let alice: PeerID
    private let bob: PeerID

    init() throws {
        alice = try Identity.generate().peerID
        bob = try Identity.generate().peerID
    }

    private func book() -> ContactBook { ContactBook(ownName: "me", server: "ws://127.0.0.1:8080") }

    @Test func findsAContactByNameAndByIdentity() throws {
        var book = book()
        try book.add(Contact(peer: alice, name: "alice"))
        #expect(try book.contact(named: "alice").peer == alice)
        #expect(book.contact(alice)?.name == "alice")
        #expect(throws: ContactError.unknown(name: "Alice")) { try book.contact(named: "Alice") }
    }

    @Test func refusesASecondIdentityUnderAName() throws {
        var book = book()
        try book.add(Contact(peer: alice, name: "alice"))
        #expect(throws: ContactError.nameTaken(name: "alice")) { try book.add(Contact(peer: bob, name: "alice")) }
        #expect(throws: ContactError.alreadyKnown(name: "alice")) { try book.add(Contact(peer: alice, name: "al")) }
        #expect(book.contacts.count == 1)
    }

    @Test(arguments: ["", " bob", "bob ", "bo\u{7}b", "b\u{202E}ob", "b\nob", String(repeating: "x", count: 65)])
    func refusesNamesThatCouldDeceive(name: String) {
        var book = book()
        #expect(throws: ContactError.badName) { try book.add(Contact(peer: bob, name: name)) }
    }

    @Test func neverReplacesAKnownKeyWhenAStrangerTakesAName() throws {
        var book = book()
        try book.add(Contact(peer: alice, name: "alice", verified: true))
        let admitted = book.admit(bob, called: "alice")
        #expect(admitted.name == "alice 2")
        #expect(!admitted.verified)
        #expect(try book.contact(named: "alice") == Contact(peer: alice, name: "alice", verified: true))
    }

    @Test func admitsAgainWithoutChangingAnything() throws {
        var book = book()
        let first = book.admit(bob, called: "bob")
        try book.setVerified(true, name: "bob")
        #expect(book.admit(bob, called: "mallory").name == first.name)
        #expect(book.contact(bob)?.verified == true)
    }

    @Test func namesAStrangerByItsPeerIDWhenItsOwnNameIsUnusable() {
        var book = book()
        #expect(book.admit(bob, called: "\u{1B}[2J").name == String(bob.description.prefix(14)))
    }

    @Test func admitsByATokenUntilItExpires() {
        var book = book()
        let token = [UInt8](repeating: 7, count: 16)
        book.issue(token: token, now: 1_000)
        #expect(book.admits(token: token, now: 1_000 + ContactBook.inviteLifetime - 1))
        #expect(!book.admits(token: token, now: 1_000 + ContactBook.inviteLifetime))
        #expect(!book.admits(token: [UInt8](repeating: 8, count: 16), now: 1_000))
        #expect(!book.admits(token: [], now: 1_000))
    }

    @Test func keepsOnlyDigestsOfTokensAndABoundedNumber() {
        var book = book()
        for index in 0..<(ContactBook.maximumInvites + 5) {
            book.issue(token: [UInt8](repeating: UInt8(index), count: 16), now: 1_000)
        }
        #expect(book.invites.count == ContactBook.maximumInvites)
        #expect(!book.admits(token: [UInt8](repeating: 0, count: 16), now: 1_000))
        #expect(book.invites.allSatisfy { !$0.tokenDigest.starts(with: [UInt8](repeating: 60, count: 16)) })
    }
}
