import NIOCore

/// What the one timer of an event loop looks after.
protocol SweptConnection: AnyObject {
    /// Does what is due.
    func sweep(now: NIODeadline)
    /// The server shuts down.
    func shutDown()
    /// Ends without a word.
    func closeNow()
}

/// The connections of one event loop, and the one timer that looks after all of them. Owned by that loop.
final class LoopConnections {
    /// Which of the server's loops it is.
    let number: Int
    let courier: Courier
    let readBuffers: ReadBuffers
    private var members: [ObjectIdentifier: any SweptConnection] = [:]
    private var timer: RepeatedTask?

    /// On that loop.
    init(number: Int, courier: Courier, eventLoop: any EventLoop) {
        self.number = number
        self.courier = courier
        readBuffers = ReadBuffers(eventLoop)
    }

    func insert(_ member: any SweptConnection) {
        members[ObjectIdentifier(member)] = member
    }

    func remove(_ member: any SweptConnection) {
        members[ObjectIdentifier(member)] = nil
    }

    /// Looks at every connection each `interval`.
    func start(on eventLoop: any EventLoop, interval: TimeAmount, context: ServerContext) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            bound.value.sweep(now: .now())
            context.addresses.sweep(now: .now())
        }
    }

    /// Does what is due for every connection.
    func sweep(now: NIODeadline) {
        for member in Array(members.values) { member.sweep(now: now) }
    }

    func stop() {
        timer?.cancel()
        timer = nil
    }

    /// Every client is told that the server goes, and when to come back.
    func goAway() {
        for member in Array(members.values) { member.shutDown() }
    }

    /// Who has not gone by now is closed.
    func closeAll() {
        for member in Array(members.values) { member.closeNow() }
    }
}
