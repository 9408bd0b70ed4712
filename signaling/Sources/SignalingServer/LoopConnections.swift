import NIOCore

/// The connections of one event loop, and the one timer that looks after all of them. Owned by that loop.
final class LoopConnections {
    private var handlers: [ObjectIdentifier: ConnectionHandler] = [:]
    private var timer: RepeatedTask?

    func insert(_ handler: ConnectionHandler) {
        handlers[ObjectIdentifier(handler)] = handler
    }

    func remove(_ handler: ConnectionHandler) {
        handlers[ObjectIdentifier(handler)] = nil
    }

    var isEmpty: Bool { handlers.isEmpty }

    /// Looks at every connection each `interval`.
    func start(on eventLoop: any EventLoop, interval: TimeAmount, context: ServerContext) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let now = NIODeadline.now()
            for handler in Array(bound.value.handlers.values) { handler.sweep(now: now) }
            context.addresses.sweep(now: now)
        }
    }

    func stop() {
        timer?.cancel()
        timer = nil
    }

    /// Every client is told that the server goes, and when to come back.
    func goAway() {
        for handler in Array(handlers.values) { handler.shutDown() }
    }

    /// Who has not gone by now is closed.
    func closeAll() {
        for handler in Array(handlers.values) { handler.closeNow() }
    }
}
