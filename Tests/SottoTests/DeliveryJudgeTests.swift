import Messenger
import Testing

@testable import sotto

@Suite struct DeliveryJudgeTests {
    @Test func endsWithTheBestThatCanBeHad() {
        var judge = DeliveryJudge(goal: nil, takesMail: true)
        #expect(judge.serverFailure != nil)
        #expect(judge.serverCame() == .wait && judge.serverFailure == nil)
        #expect(judge.advanced(to: .queued) == .wait)
        #expect(judge.contactIsAway(because: "not online") == .waitAtMost(seconds: DeliveryJudge.patience))
        #expect(judge.contactCame() == .wait && judge.obstacle == nil)
        #expect(judge.advanced(to: .delivered) == .done)
    }

    @Test func theMailboxWillDoForWhoIsAway() {
        var judge = DeliveryJudge(goal: nil, takesMail: true)
        #expect(judge.mailboxOpened() == .wait)
        #expect(
            judge.contactIsAway(because: "not online") == .waitAtMost(seconds: DeliveryJudge.patienceWithMailbox))
        #expect(judge.advanced(to: .sent) == .done)
        var here = DeliveryJudge(goal: nil, takesMail: true)
        _ = here.mailboxOpened()
        _ = here.contactCame()
        #expect(here.advanced(to: .sent) == .wait && here.contactIsAway(because: "left") == .done)
    }

    @Test func nobodyWaitsForAMailboxThatDoesNotTakeIt() {
        var judge = DeliveryJudge(goal: nil, takesMail: true)
        _ = judge.mailboxOpened()
        #expect(
            judge.mailWasRefused(because: "full") == .waitAtMost(seconds: DeliveryJudge.patience)
                && judge.obstacle == "full")
        var asked = DeliveryJudge(goal: nil, takesMail: false)
        _ = asked.mailboxOpened()
        #expect(asked.contactIsAway(because: "not online") == .waitAtMost(seconds: DeliveryJudge.patience))
    }

    @Test func waitsForWhatIsAskedFor() {
        var judge = DeliveryJudge(goal: .delivered, takesMail: true)
        #expect(judge.contactIsAway(because: "not online") == .wait && judge.advanced(to: .sent) == .wait)
        #expect(judge.mailWasRefused(because: "full") == .wait)
        #expect(judge.advanced(to: .read) == .done)
        var sent = DeliveryJudge(goal: .sent, takesMail: true)
        #expect(sent.advanced(to: .queued) == .wait && sent.advanced(to: .sent) == .done)
        var queued = DeliveryJudge(goal: .queued, takesMail: true)
        #expect(queued.advanced(to: .queued) == .done)
    }

    @Test func aServerThatIsGoneForGoodEndsIt() {
        var judge = DeliveryJudge(goal: .delivered, takesMail: true)
        #expect(judge.serverIsAway(because: "busy", isFinal: false) == .wait && judge.serverFailure == "busy")
        #expect(judge.serverIsAway(because: "elsewhere", isFinal: true) == .done)
        #expect(judge.advanced(to: .failed) == .failed(reason: "it was not delivered"))
    }
}
