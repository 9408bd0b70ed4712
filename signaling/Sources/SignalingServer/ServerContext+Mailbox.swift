import Dispatch
import NIOCore

// The mailbox while nobody asks anything of it.
extension ServerContext {
    /// How much is tidied up at a time, so that nobody waits for it.
    private static let tidied = 256

    /// Looks now and then for what is over.
    func tidyMailbox(on eventLoop: any EventLoop) {
        guard let limits = configuration.mailbox?.limits else { return }
        let interval = TimeAmount.milliseconds(max(10, limits.tidyMilliseconds))
        eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [self] _ in tidyMailbox() }
    }

    /// Tidies up until there is nothing more, letting others pass in between.
    private func tidyMailbox() {
        mailbox?.tidy(limit: Self.tidied) { [self] result in
            guard case .success(let done) = result else { return }
            metrics.mailExpired.add(done.deleted)
            if done.hasMore { tidyMailbox() }
        }
    }

    /// Returns when everything that was asked of the mailbox is on the disk.
    func closeMailbox() async {
        guard let mailbox else { return }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                mailbox.close()
                continuation.resume()
            }
        }
    }
}
