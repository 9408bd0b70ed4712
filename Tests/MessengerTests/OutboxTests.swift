import Testing
import Vault
import Wire

@testable import Messenger

@Suite struct OutboxTests {
    private static let text = StoredMessage.textKind
    private static let request = MessageContent.requestKind

    private func name(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 16) }

    private func entry(
        _ number: UInt8, kind: UInt8 = text, isEncrypted: Bool = true, isStored: Bool = true, isMailed: Bool = false,
        size: Int = 10
    ) -> Outbox.Entry {
        Outbox.Entry(
            row: Int64(number), envelope: name(number), messageID: kind == Self.text ? .random() : nil, kind: kind,
            isEncrypted: isEncrypted, isStored: isStored, isMailed: isMailed,
            ciphertext: isEncrypted ? [UInt8](repeating: 0, count: size) : nil)
    }

    private func outbox(_ entries: Outbox.Entry...) -> Outbox {
        var outbox = Outbox()
        for entry in entries { outbox.append(entry) }
        return outbox
    }

    private func nextToMail(_ outbox: Outbox, besides: [UInt8] = [], only kind: UInt8? = nil) -> [UInt8]? {
        outbox.nextToMail(besides: Set(besides.map { name($0) }), only: kind)?.envelope
    }

    @Test func knowsItsEnvelopesByName() {
        var outbox = outbox(entry(1), entry(2), entry(3))
        #expect(outbox.contains(name(2)) && !outbox.contains(name(9)))
        outbox.replace(name(2), by: name(9), ciphertext: nil, isStored: true)
        #expect(outbox.contains(name(9)) && !outbox.contains(name(2)))
        #expect(outbox.remove([name(9), name(7)]).map(\.envelope) == [name(9)])
        #expect(!outbox.contains(name(9)) && outbox.count == 2)
        #expect(outbox.remove([name(9)]).isEmpty)
        outbox.replace(name(9), by: name(8), ciphertext: nil, isStored: true)
        #expect(!outbox.contains(name(8)))
    }

    @Test func sendsInOrderAndStopsAtWhatIsNotReady() {
        var outbox = outbox(entry(1), entry(2, isStored: false), entry(3))
        #expect(outbox.nextToSend?.envelope == name(1))
        outbox.handedOver()
        #expect(outbox.nextToSend == nil)
        outbox.stored(name(2), row: 22)
        #expect(outbox.nextToSend?.row == 22)
        outbox.handedOver()
        outbox.handedOver()
        #expect(outbox.nextToSend == nil && outbox.sentCount == 3)
        // What was confirmed counts no more.
        outbox.remove([name(1), name(3)])
        #expect(outbox.sentCount == 1)
        outbox.beginSession()
        #expect(outbox.nextToSend?.envelope == name(2))
    }

    @Test func whatIsEncryptedAgainIsSentAgainWithAllBehindIt() {
        var outbox = outbox(entry(1), entry(2), entry(3))
        for _ in 1...3 { outbox.handedOver() }
        outbox.replace(name(2), by: name(8), ciphertext: nil, isStored: true)
        #expect(outbox.hasUnencrypted && outbox.unencrypted(10) == [name(8)])
        #expect(outbox.nextToSend == nil && outbox.sentCount == 1)
        outbox.replace(name(8), by: name(9), ciphertext: [1], isStored: false)
        #expect(!outbox.hasUnencrypted && outbox.nextToSend == nil)
        outbox.stored(name(9))
        #expect(outbox.nextToSend?.envelope == name(9))
    }

    @Test func mailsInOrderBesidesWhatIsUnderWay() {
        var outbox = outbox(entry(1), entry(2), entry(3, isStored: false), entry(4))
        #expect(nextToMail(outbox) == name(1))
        #expect(nextToMail(outbox, besides: [1]) == name(2))
        // Nothing overtakes what is not stored.
        #expect(nextToMail(outbox, besides: [1, 2]) == nil)
        outbox.mailed(name(2))
        #expect(nextToMail(outbox) == name(1))
        outbox.mailed(name(1))
        outbox.stored(name(3))
        #expect(nextToMail(outbox) == name(3))
        #expect(outbox.hasUnmailed)
        for number: UInt8 in [3, 4] { outbox.mailed(name(number)) }
        #expect(!outbox.hasUnmailed && nextToMail(outbox) == nil)
        outbox.nothingIsMailed()
        #expect(outbox.hasUnmailed && nextToMail(outbox) == name(1))
    }

    @Test func requestIsMailedAlthoughTextsWaitBeforeIt() {
        let outbox = outbox(
            entry(1), entry(2, isEncrypted: false), entry(3, kind: Self.request),
            entry(4, kind: Self.request, isStored: false))
        #expect(nextToMail(outbox, only: Self.request) == name(3))
        #expect(nextToMail(outbox, besides: [3], only: Self.request) == nil)
        #expect(nextToMail(outbox, besides: [1]) == nil)
    }

    @Test func whatIsMailedStaysCountedWhenOthersLeaveOrChange() {
        var outbox = outbox(entry(1), entry(2), entry(3), entry(4))
        for number: UInt8 in [1, 2, 4] { outbox.mailed(name(number)) }
        #expect(nextToMail(outbox) == name(3))
        outbox.remove([name(1)])
        #expect(nextToMail(outbox) == name(3))
        // Another ciphertext is in no mailbox.
        outbox.replace(name(2), by: name(8), ciphertext: [1], isStored: true)
        #expect(nextToMail(outbox) == name(8))
        outbox.mailed(name(8))
        #expect(nextToMail(outbox) == name(3))
        outbox.remove([name(3)])
        #expect(!outbox.hasUnmailed && outbox.count == 2)
        outbox.append(entry(5))
        #expect(nextToMail(outbox) == name(5))
        outbox.remove([name(8), name(4), name(5)])
        #expect(outbox.isEmpty && !outbox.hasUnmailed)
    }

    @Test func keepsNoMoreCiphertextInMemoryThanItsLimit() {
        var outbox = Outbox()
        let size = Outbox.memoryLimit / 4
        for number: UInt8 in 1...6 { outbox.append(entry(number, isStored: false, size: size)) }
        // Until it is stored there is no other copy.
        #expect(outbox.entries.allSatisfy { $0.ciphertext?.count == size })
        for number: UInt8 in 1...6 { outbox.stored(name(number)) }
        #expect(outbox.entries.reduce(0) { $0 + ($1.ciphertext?.count ?? 0) } <= Outbox.memoryLimit)
        outbox.append(entry(7, size: size))
        #expect(outbox.entries.reduce(0) { $0 + ($1.ciphertext?.count ?? 0) } <= Outbox.memoryLimit)
        #expect(!outbox.entries.contains { !$0.isEncrypted })
    }

    /// Texts go many at a time; what changes something waits until all before it is stored, and lets nothing follow.
    @Test func whatChangesSomethingIsMailedAlone() {
        var attempt = Conversation.MailAttempt()
        let (text, change) = (entry(1), entry(2, kind: 2))
        #expect(attempt.mayGo && attempt.mayFollow(change))
        attempt.outstanding = [name(1)]
        #expect(attempt.mayGo && attempt.mayFollow(text) && !attempt.mayFollow(change))
        attempt.isAlone = true
        #expect(!attempt.mayGo)
        attempt.outstanding = []
        #expect(attempt.mayGo)
        attempt.isAlone = false
        for number in 0..<Conversation.MailAttempt.window { attempt.outstanding.insert(name(UInt8(number))) }
        #expect(!attempt.mayGo)
    }
}
