import NIOConcurrencyHelpers
import Testing

@testable import Messenger

@Suite struct EventQueueTests {
    @Test func deliversInOrderAndEnds() async {
        let queue = EventQueue<Int>()
        for number in 0..<100 { queue.put(number) }
        queue.finish()
        var seen: [Int] = []
        for await number in queue { seen.append(number) }
        #expect(seen == Array(0..<100))
    }

    @Test func wakesAReaderThatWaits() async {
        let queue = EventQueue<Int>()
        async let first = queue.next()
        queue.put(1)
        #expect(await first == 1)
    }

    @Test func releasesAReaderWhoseTaskIsCancelled() async {
        let queue = EventQueue<Int>()
        let reader = Task { await queue.next() }
        reader.cancel()
        #expect(await reader.value == nil)
        queue.put(2)
        #expect(await queue.next() == 2)
    }

    @Test func saysWhenItIsFullAndWhenThereIsRoomAgain() async {
        let queue = EventQueue<Int>(capacity: 4)
        let drained = NIOLockedValueBox(0)
        queue.whenDrained { drained.withLockedValue { $0 += 1 } }
        for number in 0..<4 { queue.put(number) }
        #expect(queue.isFull)
        _ = await queue.next()
        #expect(!queue.isFull)
        #expect(drained.withLockedValue { $0 } == 0)
        _ = await queue.next()
        #expect(drained.withLockedValue { $0 } == 1)
        _ = await queue.next()
        #expect(drained.withLockedValue { $0 } == 1)
    }
}
