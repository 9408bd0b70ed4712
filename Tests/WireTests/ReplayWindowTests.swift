import Testing

@testable import Wire

@Suite struct ReplayWindowTests {
    let now: UInt64 = 1_800_000_000_000

    func digest(_ number: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt64(number))
        return writer.bytes + [UInt8](repeating: 0, count: 8)
    }

    @Test func acceptsAPayloadOnce() {
        var window = ReplayWindow()
        #expect(window.admit(digest: digest(1), time: now, now: now) == .accepted)
        #expect(window.admit(digest: digest(1), time: now, now: now + 1) == .repeated)
        #expect(window.admit(digest: digest(2), time: now, now: now + 1) == .accepted)
    }

    @Test func refusesWhatIsMoreThanFiveMinutesOff() {
        var window = ReplayWindow()
        #expect(window.admit(digest: digest(1), time: now - 300_000, now: now) == .accepted)
        #expect(window.admit(digest: digest(2), time: now - 300_001, now: now) == .stale)
        #expect(window.admit(digest: digest(3), time: now + 300_000, now: now) == .accepted)
        #expect(window.admit(digest: digest(4), time: now + 300_001, now: now) == .stale)
        #expect(window.admit(digest: digest(5), time: UInt64.max, now: now) == .stale)
        #expect(window.admit(digest: digest(6), time: 0, now: now) == .stale)
    }

    @Test func acceptsNothingTwiceEvenWhenTheClockIsSetBack() {
        var window = ReplayWindow()
        #expect(window.admit(digest: digest(1), time: now, now: now) == .accepted)
        #expect(window.admit(digest: digest(2), time: now + 900_000, now: now + 900_000) == .accepted)
        #expect(window.count == 1)
        #expect(window.admit(digest: digest(1), time: now, now: now) == .stale)
        #expect(window.admit(digest: digest(3), time: now + 1, now: now) == .accepted)
    }

    @Test func staysBoundedAndAcceptsNothingTwiceWhenFull() {
        var window = ReplayWindow(capacity: 8)
        var accepted = Set<Int>()
        for number in 0..<100 {
            let time = now + UInt64(number * 37 % 100)
            if window.admit(digest: digest(number), time: time, now: now) == .accepted { accepted.insert(number) }
            #expect(window.count <= 8)
        }
        #expect(accepted.count > 8)
        for number in 0..<100 {
            let time = now + UInt64(number * 37 % 100)
            let verdict = window.admit(digest: digest(number), time: time, now: now)
            #expect(verdict != .accepted || !accepted.contains(number))
        }
    }

    @Test func worksAtTheEdgesOfTime() {
        var window = ReplayWindow(capacity: 0)
        #expect(window.admit(digest: digest(1), time: 0, now: 0) == .accepted)
        #expect(window.admit(digest: digest(1), time: 0, now: 0) == .repeated)
        #expect(window.admit(digest: digest(2), time: UInt64.max, now: UInt64.max) == .accepted)
        #expect(window.count == 1)
    }
}
