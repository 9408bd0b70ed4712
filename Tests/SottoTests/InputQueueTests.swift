import Foundation
import Synchronization
import Testing

@testable import sotto

@Suite struct InputQueueTests {
    @Test func deliversInOrderFromAThreadThatHasToWait() async {
        let queue = InputQueue<Int>(capacity: 3)
        let thread = Thread {
            for number in 0..<1000 { queue.push(number) }
            queue.finish()
        }
        thread.start()
        var received: [Int] = []
        while let number = await queue.next() { received.append(number) }
        #expect(received == Array(0..<1000))
    }

    @Test func finishingReleasesWriterAndReader() async {
        let queue = InputQueue<Int>(capacity: 1)
        queue.push(1)
        let thread = Thread {
            queue.push(2)
            queue.finish()
        }
        queue.finish()
        thread.start()
        #expect(await queue.next() == 1)
        #expect(await queue.next() == nil)
        queue.push(3)
        #expect(await queue.next() == nil)

        let other = InputQueue<Int>(capacity: 1)
        async let waiting = other.next()
        other.finish()
        #expect(await waiting == nil)
    }

    @Test(arguments: [("a\nb\n", ["a", "b"]), ("\n\n", []), ("  x \r\n", ["  x"]), ("a\u{1B}[2Jb\n", ["a[2Jb"])])
    func splitsPlainInput(input: String, lines: [String]) {
        var whole = PlainInput()
        #expect(whole.feed(Array(input.utf8)) == lines)
        var pieces = PlainInput()
        #expect(input.utf8.flatMap { pieces.feed([$0]) } == lines)
    }

    @Test func cutsEndlessPlainInput() {
        var input = PlainInput()
        let lines = input.feed([UInt8](repeating: 0x61, count: 3 * PlainInput.limit))
        #expect(lines.map(\.utf8.count) == [PlainInput.limit, PlainInput.limit, PlainInput.limit])
    }
}
