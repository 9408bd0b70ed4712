import Identity
import Ratchet
import Testing
import Wire

@testable import Messenger

@Suite struct MailDeskTests {
    private func item(_ mail: UInt64) -> MailDesk.Item {
        MailDesk.Item(mail: mail, envelope: [UInt8](repeating: 1, count: 8))
    }

    private let info = MailboxInfo(
        waiting: 0, oneTimeKeysLeft: 2, timeToLive: 1, quota: 1, generation: [UInt8](repeating: 1, count: 16))

    private func taken(_ desk: inout MailDesk) -> [UInt64] {
        var numbers: [UInt64] = []
        while let item = desk.next() { numbers.append(item.mail) }
        return numbers
    }

    @Test func opensOnceInAConnection() {
        var desk = MailDesk()
        let opened = (desk.open(info), desk.open(info))
        #expect(opened == (true, false))
        desk.close()
        let again = desk.open(info)
        #expect(again)
    }

    @Test func takesNoMoreThanItsLimit() {
        var desk = MailDesk()
        for mail in 0..<5_000 { desk.take(item(UInt64(mail))) }
        let all = taken(&desk)
        #expect(all == (0..<UInt64(MailDesk.limit)).map { $0 })
        // Until there is room again.
        desk.take(item(9_000))
        #expect(desk.next() == nil)
        desk.acknowledge(0)
        desk.take(item(9_001))
        #expect(desk.next()?.mail == 9_001)
    }

    @Test func acknowledgesWhatItLookedAtOnce() {
        var desk = MailDesk()
        desk.take(item(1))
        desk.acknowledge(1)
        #expect(desk.acknowledgements.isEmpty)
        _ = desk.next()
        desk.acknowledge(1)
        desk.acknowledge(1)
        desk.acknowledge(2)
        #expect(desk.acknowledgements == [1])
    }

    @Test func looksAtEverythingAgainInOrder() {
        var desk = MailDesk()
        for mail in 1...6 { desk.take(item(UInt64(mail))) }
        for _ in 1...4 { _ = desk.next() }
        desk.acknowledge(2)
        desk.keepForIntroduction(item(3), now: 0)
        desk.isHeld = true
        desk.beginAgain()
        #expect(!desk.isHeld)
        #expect(taken(&desk) == [1, 3, 4, 5, 6])
        let gaveUp = desk.giveUpEarly(now: .max)
        #expect(!gaveUp)
    }

    @Test func keepsALimitedNumberForIntroductions() {
        var desk = MailDesk()
        for mail in 1...70 { desk.take(item(UInt64(mail))) }
        for mail in taken(&desk) { desk.keepForIntroduction(item(mail), now: 5) }
        // The oldest make room.
        #expect(desk.acknowledgements == [1, 2, 3, 4, 5, 6])
        desk.takeUpEarly()
        #expect(taken(&desk) == (7...70).map { UInt64($0) })
    }

    @Test func givesUpWhatNobodyIntroduces() {
        var desk = MailDesk()
        for mail in 1...2 { desk.take(item(UInt64(mail))) }
        for (time, mail) in taken(&desk).enumerated() { desk.keepForIntroduction(item(mail), now: UInt64(time)) }
        let early = desk.giveUpEarly(now: MailDesk.earlyDelay - 1)
        #expect(!early)
        let first = desk.giveUpEarly(now: MailDesk.earlyDelay)
        #expect(first && desk.acknowledgements == [1])
        let second = desk.giveUpEarly(now: MailDesk.earlyDelay + 1)
        #expect(second && desk.acknowledgements == [1, 2] && desk.processing.isEmpty)
    }

    @Test func strangersWhoWaitComeBackInOrderBeforeOthers() {
        var desk = MailDesk()
        for mail in 1...4 { desk.take(item(UInt64(mail))) }
        for _ in 1...3 { if let item = desk.next() { desk.putOff(item) } }
        #expect(desk.processing.isEmpty)
        let none = desk.takeUpDeferred(0)
        #expect(!none)
        let some = desk.takeUpDeferred(1)
        #expect(some && taken(&desk) == [1, 2, 3, 4])
    }

    @Test func saysAgainLaterWhatWasRefusedAndOnce() {
        var desk = MailDesk()
        let before = desk.mayAskAgain(now: .max)
        desk.askAgainLater(now: 10)
        let tooEarly = desk.mayAskAgain(now: 9 + MailDesk.pause)
        let due = desk.mayAskAgain(now: 10 + MailDesk.pause)
        let twice = desk.mayAskAgain(now: .max)
        #expect([before, tooEarly, due, twice] == [false, false, true, false])
    }

    @Test func countsOneTimePrekeysDown() {
        var desk = MailDesk()
        desk.oneTimePrekeyWasUsed()
        _ = desk.open(info)
        for _ in 0..<3 { desk.oneTimePrekeyWasUsed() }
        #expect(desk.info?.oneTimeKeysLeft == 0)
    }

    @Test func answersBelongToOneRequest() throws {
        var desk = MailDesk()
        let numbers = (desk.number(.capabilities([1])), desk.number(.capabilities([2])))
        #expect(numbers.0 != numbers.1)
        guard case .capabilities([2])? = desk.answered(numbers.1) else {
            Issue.record("another request")
            return
        }
        #expect(desk.answered(numbers.1) == nil && desk.answered(77) == nil)
    }
}

/// As many as there are, and one more each so many seconds.
@Suite struct RefillingBudgetTests {
    @Test func refillsToItsCapacity() {
        var budget = RefillingBudget(capacity: 2, secondsEach: 3)
        let second: UInt64 = 1_000_000_000
        let taken = [second, second, second, 3 * second, 4 * second, 4 * second].map { budget.take(now: $0) }
        #expect(taken == [true, true, false, false, true, false])
        #expect(budget.available(now: 100 * second) == 2)
        // A clock that goes back gives nothing.
        let both = [budget.take(now: 50 * second), budget.take(now: 50 * second), budget.take(now: 50 * second)]
        #expect(both == [true, true, false])
    }
}
