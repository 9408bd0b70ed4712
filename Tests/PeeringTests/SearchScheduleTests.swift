import Testing

@testable import Peering

@Suite struct SearchScheduleTests {
    @Test func triesOnceMoreSoonAndThenRarely() {
        var schedule = SearchSchedule()
        let delays = (0..<6).map { _ in schedule.nextDelay() }
        #expect(delays == [10_000, 120_000, 600_000, 1_800_000, 1_800_000, 1_800_000])
    }

    @Test func beginsAnewAfterAReset() {
        var schedule = SearchSchedule()
        let delays = (schedule.nextDelay(), schedule.nextDelay())
        schedule.reset()
        let again = schedule.nextDelay()
        #expect(again == delays.0 && again < delays.1)
    }
}
