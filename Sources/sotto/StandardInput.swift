import Foundation

/// The lines of standard input, read by a thread of their own so that nothing waits for them. The thread waits when 64 lines are unread.
enum StandardInput {
    static func lines() -> AsyncStream<String> {
        let queue = InputQueue<String>(capacity: 64)
        let thread = Thread {
            while let line = readLine(strippingNewline: true) { queue.push(line) }
            queue.finish()
        }
        thread.start()
        return AsyncStream(unfolding: { await queue.next() }, onCancel: { queue.finish() })
    }
}
