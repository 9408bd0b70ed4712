import NIOCore
import NIOPosix

/// The thread that runs a ``Messenger`` or a ``NetworkCheck``, with everything below.
package final class EventThread: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    package init() {}

    var loop: any EventLoop { group.any() }

    /// Ends the thread, once what it runs has been stopped.
    package func shutdown() async {
        do {
            try await group.shutdownGracefully()
        } catch {
            // Only a second shutdown fails, and then there is nothing left to do.
        }
    }
}
