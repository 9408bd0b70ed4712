import Testing
import Wire

@testable import SignalingServer

@Suite struct MailWindowTests {
    private func slice(_ ids: ClosedRange<UInt64>, bytes: Int = 10, hasMore: Bool = false) -> MailSlice {
        MailSlice(
            mails: ids.map { StoredMail(id: $0, storedAt: 0, envelope: [UInt8](repeating: 0, count: bytes)) },
            hasMore: hasMore)
    }

    private func window(items: Int = 10, bytes: Int = 10_000) -> MailWindow {
        var window = MailWindow(limit: MailQuota(bytes: bytes, items: items))
        window.wake()
        return window
    }

    @Test func asksOnceAndOnlyWhenThereMayBeSomething() {
        var window = MailWindow(limit: MailQuota(bytes: 100, items: 10))
        var request = window.nextRequest()
        #expect(request == nil)
        window.wake()
        request = window.nextRequest()
        #expect(request == MailWindow.Request(after: 0, items: 10, bytes: 100))
        request = window.nextRequest()
        #expect(request == nil)
        window.fetched(slice(1...2))
        request = window.nextRequest()
        #expect(request == nil)
    }

    @Test func asksAgainForWhatCameWhileItAsked() {
        var window = window()
        _ = window.nextRequest()
        window.wake()
        window.fetched(slice(1...2))
        _ = window.take(maximumBytes: 1_000)
        let request = window.nextRequest()
        #expect(request?.after == 2)
    }

    @Test func asksForNothingUntilWhatItHasIsWritten() {
        var window = window()
        _ = window.nextRequest()
        window.fetched(slice(1...4, bytes: 100, hasMore: true))
        var request = window.nextRequest()
        #expect(request == nil)
        let first = window.take(maximumBytes: 150).map(\.id)
        #expect(first == [1, 2])
        request = window.nextRequest()
        #expect(request == nil)
        let rest = window.take(maximumBytes: 1_000).map(\.id)
        #expect(rest == [3, 4])
        request = window.nextRequest()
        #expect(request == MailWindow.Request(after: 4, items: 6, bytes: 9_600))
    }

    @Test func whatIsNotDeletedCounts() {
        var window = window(items: 3)
        _ = window.nextRequest()
        window.fetched(slice(1...3, hasMore: true))
        _ = window.take(maximumBytes: 1_000)
        let mails = window.acknowledge([1, 1, 2, 9])
        #expect(mails == [1, 2])
        let again = window.acknowledge([1, 2])
        #expect(again == [])
        var request = window.nextRequest()
        #expect(request == nil)
        window.notDeleted(mails)
        let undeleted = window.takeUndeleted()
        #expect(undeleted == [1, 2])
        let none = window.takeUndeleted()
        #expect(none == [])
        window.deleted(undeleted)
        #expect(window.outstanding == MailQuota(bytes: 10, items: 1))
        request = window.nextRequest()
        #expect(request?.after == 3 && request?.items == 2)
    }

    @Test func asksAgainWhenTheStoreFailed() {
        var window = window()
        _ = window.nextRequest()
        window.fetched(nil)
        let request = window.nextRequest()
        #expect(request?.after == 0)
    }

    @Test func aMailThatIsLargerThanTheWindowPassesAlone() {
        var window = window(bytes: 50)
        _ = window.nextRequest()
        window.fetched(slice(1...1, bytes: 70_000, hasMore: true))
        let mails = window.take(maximumBytes: 10)
        #expect(mails.count == 1)
        var request = window.nextRequest()
        #expect(request == nil)
        window.deleted(window.acknowledge([1]))
        request = window.nextRequest()
        #expect(request?.after == 1)
    }
}
