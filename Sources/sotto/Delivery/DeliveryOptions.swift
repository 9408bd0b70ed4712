import ArgumentParser

/// How long a command stays with what it has put into the outbox.
struct DeliveryOptions: ParsableArguments {
    enum Wait: String, ExpressibleByArgument, CaseIterable {
        case queued, sent, delivered
    }

    @Option(
        help: ArgumentHelp(
            "What must be reached for success. queued: stored here, without going online. Without this: the best that can be had.",
            valueName: "state"))
    var wait: Wait?

    @Option(
        help: ArgumentHelp("Stop waiting after so many seconds (default: 10; with --wait 30).", valueName: "seconds"))
    var timeout: Double?

    /// Seconds.
    var limit: Double { timeout ?? (wait == nil ? 10 : 30) }

    func validate() throws {
        guard limit > 0, limit <= 86_400 else { throw ValidationError("--timeout takes 0 to 86400 seconds") }
    }
}
