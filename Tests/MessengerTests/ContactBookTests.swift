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

    /// Names that are drawn like one that is in the book, or nearly so.
    private static let doubles = [
        "alice\u{200D}", "al\u{200C}ice", "alice\u{FE0F}", "alice\u{3164}", "ali\u{2800}ce", "Alice", "ALICE",
        "\u{FF41}lice",
        "\u{0430}lice", "al\u{0456}c\u{0435}", "a1ice", "a lice",
    ]

    @Test(arguments: doubles)
    func neverNamesAStrangerSoThatItIsTakenForAContact(name: String) throws {
        var book = book()
        try book.add(Contact(peer: alice, name: "alice", verified: true))
        #expect(throws: ContactError.nameTaken(name: "alice")) { try book.add(Contact(peer: bob, name: name)) }
        let admitted = book.admit(bob, called: name)
        #expect(admitted.name.hasSuffix(" 2"))
    }

    @Test(arguments: ["you", "You", "y\u{043E}u", "me", "alice: hello", "\u{200D}", "\u{3164}", "\u{2800}\u{2800}"])
    func neverNamesAStrangerLikeTheUserOrAMessageOrNothing(name: String) {
        var book = book()
        let admitted = book.admit(bob, called: name)
        #expect(admitted.name.hasSuffix(" 2") || admitted.name == String(bob.description.prefix(14)))
    }

    @Test func keepsNamesApartThatLookDifferent() throws {
        var book = book()
        try book.add(Contact(peer: alice, name: "Anna"))
        try book.add(Contact(peer: bob, name: "Hanna"))
        #expect(book.contacts.count == 2)
    }

    /// Who has an invite can come as any number of people.
    @Test func admitsABoundedNumber() throws {
        let people = try (0..<ContactBook.maximumAdmitted).map { index in
            Contact(peer: try Identity.generate().peerID, name: "guest \(index)")
        }
        var full = ContactBook(ownName: "me", server: "ws://127.0.0.1:8080", contacts: people)
        #expect(!full.hasRoomForAdmission)
        // The user still can.
        try full.add(Contact(peer: alice, name: "alice"))
    }
}
