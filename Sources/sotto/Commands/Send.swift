import ArgumentParser
import Foundation
import Messenger

struct Send: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send one message to a contact who is online.",
        usage: "sotto send NAME TEXT|- [--wait queued|sent|delivered] [--timeout SECONDS] [options]",
        discussion: """
            The message is kept in memory only: the command ends when the contact has it, or with an error and exit status 1 when it \
            cannot be delivered.
            """)

    enum Wait: String, ExpressibleByArgument, CaseIterable {
        case queued, sent, delivered
    }

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions

    @Argument(help: "The contact.")
    var name: String

    @Argument(help: "The message, or - to read it from standard input.")
    var text: String

    @Option(
        help: ArgumentHelp(
            "What must be reached for success. Nothing is stored yet, so a message that is only queued is lost at the end: queued means the same as sent, and after that the confirmation is awaited for \(Int(Send.grace)) seconds.",
            valueName: "state"))
    var wait: Wait = .delivered

    @Option(help: ArgumentHelp("Give up after so many seconds.", valueName: "seconds"))
    var timeout: Double = 30

    /// How long the confirmation of a sent message is awaited when it is not asked for, in seconds.
    static let grace = 5.0

    func validate() throws {
        guard timeout > 0, timeout <= 86_400 else { throw ValidationError("--timeout takes 0 to 86400 seconds") }
    }

    func run() async throws {
        try await common.run { output in
            let text = try message()
            try await Online.run(common, network, contact: name) { messenger in
                try await deliver(text, by: messenger, output)
            }
        }
    }

    private func message() throws -> String {
        let text = try text == "-" ? StandardInput.whole(limit: Messenger.maximumTextSize) : text
        try Messenger.check(text)
        return text
    }

    private func deliver(_ text: String, by messenger: Messenger, _ output: Output) async throws {
        let contact = try await messenger.contact(named: name)
        let id = try await messenger.send(text, to: contact)
        try await withThrowingDiscardingTaskGroup { timers in
            defer { timers.cancelAll() }
            timers.addTask { await withdraw(id, to: contact, messenger) }
            try await follow(id, to: contact, messenger, output) {
                timers.addTask { await endGrace(messenger) }
            }
        }
    }

    /// Tells what becomes of the message, until nothing more is to be told.
    ///
    /// - Parameter beginGrace: called when the message is sent and that will do.
    private func follow(
        _ id: MessageID, to contact: Contact, _ messenger: Messenger, _ output: Output, beginGrace: () -> Void
    ) async throws {
        var isGrace = false
        var serverFailure: String?
        for await event in messenger.events {
            output.common(event)
            switch event {
            case .state(id, _, .sent, _) where wait != .delivered && !isGrace:
                isGrace = true
                beginGrace()
            case .state(id, _, .delivered, _):
                return output.say("delivered")
            case .state(id, _, .failed, let reason):
                if let serverFailure { throw Failure("server", serverFailure) }
                throw Failure("undelivered", "\(contact.name): \(reason ?? "the message was not delivered")")
            case .server(.disconnected(let reason, _)):
                serverFailure = reason
            default:
                break
            }
        }
        guard !isGrace || Task.isCancelled else { return output.say("sent, not confirmed") }
        output.state(id, contact, .failed, reason: "interrupted")
        throw Failure("interrupted", "interrupted: the message may not have arrived")
    }

    private func withdraw(_ id: MessageID, to contact: Contact, _ messenger: Messenger) async {
        guard (try? await Task.sleep(for: .seconds(timeout))) != nil else { return }
        await messenger.stop()
    }

    private func endGrace(_ messenger: Messenger) async {
        guard (try? await Task.sleep(for: .seconds(Self.grace))) != nil else { return }
        await messenger.stop()
    }
}
