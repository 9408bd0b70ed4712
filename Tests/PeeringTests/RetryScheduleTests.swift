import Testing

@testable import Peering

@Suite struct RetryScheduleTests {
    @Test func triesOftenAfterALoss() {
        var schedule = RetrySchedule()
        schedule.reset(.lost)
        let delays = (0..<12).map { _ in schedule.nextDelay() }
        #expect(delays.prefix(9).allSatisfy { $0 <= 4_000 })
        #expect(delays == delays.sorted())
    }

    @Test func thinsOutWhereThereNeverWasADirectPath() {
        var schedule = RetrySchedule()
        let delays = (0..<8).map { _ in schedule.nextDelay() }
        #expect(delays == delays.sorted())
        #expect(delays[4] >= 60_000)
        #expect(delays[7] == delays[4])
    }

    @Test func leavesAPeerInPeaceThatWantsNoDirectPath() {
        var schedule = RetrySchedule()
        schedule.reset(.refused)
        let delay = schedule.nextDelay()
        #expect(delay >= 300_000)
    }

    @Test func beginsAnewAfterAReset() {
        var schedule = RetrySchedule()
        let first = schedule.nextDelay()
        _ = schedule.nextDelay()
        schedule.reset(.neverDirect)
        let again = schedule.nextDelay()
        #expect(again == first)
    }
}
