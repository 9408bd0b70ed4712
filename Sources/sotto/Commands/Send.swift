import ArgumentParser
import Foundation
import Messenger

struct Send: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send one message to a contact who is online.",
        discussion: """
            The message is kept in memory only: the command ends when the contact has it, or with an error and exit status 1 when it \
            cannot be delivered. --wait says which state must be reached for that to count as done.
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
        help: "The state to wait for. Since nothing is stored yet, the command stays until the message is delivered.")
    var wait: Wait = .delivered

    @Option(help: "Give up after so many seconds.")
    var timeout: Double = 30

    func validate() throws {
        guard timeout > 0, timeout <= 86_400 else { throw ValidationError("--timeout takes 0 to 86400 seconds") }
    }

    func run() async throws {
        try await common.run { output in
            let text = try message()
            try await Online.run(common, network, failsWhenAbsent: true) { messenger in
                try await deliver(text, by: messenger, output)
            }
        }
    }

    private func message() throws -> String {
        guard text == "-" else { return text }
        let data = try FileHandle.standardInput.read(upToCount: Messenger.maximumTextSize + 1) ?? Data()
        guard let text = String(data: data, encoding: .utf8) else {
            throw Failure("message", "the message is not UTF-8")
        }
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    private func deliver(_ text: String, by messenger: Messenger, _ output: Output) async throws {
        let contact = try await messenger.contact(named: name)
        let id = try await messenger.send(text, to: contact)
        let deadline = Task {
            try await Task.sleep(for: .seconds(timeout))
            await messenger.withdraw(id, to: contact, reason: "not delivered within \(Int(timeout)) seconds")
        }
        defer { deadline.cancel() }
        for await event in messenger.events {
            output.common(event)
            switch event {
            case .state(id, _, .delivered, _):
                return output.say("delivered")
            case .state(id, _, .failed, let reason):
                throw Failure("undelivered", "\(contact.name): \(reason ?? "the message was not delivered")")
            case .server(.disconnected(let reason, _)):
                throw Failure("server", reason)
            default:
                break
            }
        }
        throw Failure("interrupted", "interrupted: the message may not have arrived")
    }
}
