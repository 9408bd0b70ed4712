import ArgumentParser
import Messenger
import Vault
import Wire

struct Edit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Replace the text of a message of yours.",
        usage: "sotto edit NAME ID TEXT [--wait STATE] [--timeout S] [options]",
        discussion: "'sotto history NAME' shows the ids.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions
    @OptionGroup var delivery: DeliveryOptions

    @Argument(help: "The contact.")
    var name: String

    @Argument(help: "The message.")
    var id: MessageID

    @Argument(help: "What it says from now on.")
    var text: String

    func run() async throws {
        try await Change.run(common, network, delivery, name, id) { home, contact in
            try home.edit(id, to: text, for: contact)
        }
    }
}

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete a message of yours, here and at the contact.",
        usage: "sotto delete NAME ID [--wait STATE] [--timeout S] [options]",
        discussion: "A contact who has read it, or whose program does not heed this, may have kept it.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions
    @OptionGroup var delivery: DeliveryOptions

    @Argument(help: "The contact.")
    var name: String

    @Argument(help: "The message.")
    var id: MessageID

    func run() async throws {
        try await Change.run(common, network, delivery, name, id) { home, contact in
            try home.delete(id, for: contact)
        }
    }
}

struct React: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "React to a message, or take the reaction back.",
        usage: "sotto react NAME ID [TEXT] [--wait STATE] [--timeout S] [options]",
        discussion: "Without TEXT the reaction is taken back.")

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions
    @OptionGroup var delivery: DeliveryOptions

    @Argument(help: "The contact.")
    var name: String

    @Argument(help: "The message, of either of you.")
    var id: MessageID

    @Argument(help: "The reaction: an emoji, or a word.")
    var text = ""

    func run() async throws {
        try await Change.run(common, network, delivery, name, id) { home, contact in
            try home.react(to: id, with: text, for: contact)
        }
    }
}

struct Disappear: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let messages with a contact disappear some time after they were read.",
        usage: "sotto disappear NAME TIME|off [--wait STATE] [--timeout S] [options]",
        discussion: """
            TIME is 30s, 5m, 12h, 7d or 4w; off lets them stay. It holds for messages from now on, on both sides; your own disappear so \
            long after they were sent. What the contact's program or screen kept is out of reach.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions
    @OptionGroup var delivery: DeliveryOptions

    @Argument(help: "The contact.")
    var name: String

    @Argument(help: ArgumentHelp("How long after reading, or off.", valueName: "time"))
    var time: String

    func validate() throws {
        guard time == "off" || DurationText.seconds(time) != nil else {
            throw ValidationError("TIME is a number with s, m, h, d or w, or off")
        }
    }

    func run() async throws {
        try await Change.run(common, network, delivery, name, nil) { home, contact in
            try home.setExpiry(time == "off" ? nil : DurationText.seconds(time), with: contact)
        }
    }
}

/// What the commands have in common that change something and tell the contact.
private enum Change {
    /// - Parameters:
    ///   - id: the message that is changed, if one is.
    ///   - change: stores it, and returns the row of the outbox that tells the contact.
    static func run(
        _ common: CommonOptions, _ network: NetworkOptions, _ delivery: DeliveryOptions, _ name: String,
        _ id: MessageID?,
        _ change: @escaping @Sendable (Home, Contact) throws -> Int64
    ) async throws {
        try await common.run { output in
            _ = try network.messengerOptions()
            let home = try common.unlock()
            let contact = try home.book().recipient(named: name)
            try await Online.heedingSignals {
                let row = try change(home, contact)
                if let id, let message = try home.message(id, with: contact) {
                    output.changed(message, with: contact)
                } else if let contact = try home.book().contact(contact.peer) {
                    output.contact(contact)
                }
                try await Delivery(.change(row: row), to: contact, delivery).run(home, common, network, output)
            }
        }
    }
}
