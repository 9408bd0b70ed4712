import ArgumentParser
import Foundation
import Messenger
import Wire

struct Listen: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stay reachable for all contacts and show what they write.",
        usage: "sotto listen [--path auto|direct|relay] [options]",
        discussion:
            "With --json, lines {\"to\":\"name\",\"send\":\"text\"} on standard input are sent, and {\"quit\":true} ends. Ctrl-C ends."
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions

    func run() async throws {
        try await common.run { output in
            try await Online.run(common, network) { messenger in
                // The end of the input ends nothing: who listens may have none.
                async let _: Void = {
                    if output.isJSON, await ScriptReader.run(messenger, only: nil, output) {
                        await ScriptReader.leave(messenger)
                    }
                }()
                for await event in messenger.events {
                    output.common(event)
                    try tell(event, output)
                }
            }
        }
    }

    private func tell(_ event: MessengerEvent, _ output: Output) throws {
        switch event {
        case .ready(let peer):
            output.say("Reachable as \(peer)")
        case .contact(let contact):
            output.say("\(contact.name) came with your invite and is a contact now (not verified).")
        case .online(let contact):
            output.say("\(contact.name) is here.")
        case .offline(let contact, let reason):
            output.say("\(contact.name): \(reason).")
        case .path(let contact, let report):
            output.say("\(contact.name): \(report.summary)")
        case .message(let message):
            output.say(Self.entry(message.contact.name, message.text))
        case .server(.disconnected(let reason, let retryIn)):
            guard let retryIn else { throw Failure("server", reason) }
            output.notice("No connection to the server (\(reason)); trying again in \(Int(retryIn.rounded(.up))) s.")
        case .server, .state, .pong, .mailbox, .request, .changed, .expired, .typing, .notice:
            break
        }
    }

    /// A message as lines. All but the first are indented: whatever somebody writes, it cannot look like another's message.
    static func entry(_ name: String, _ text: String) -> String {
        let lines = DisplayText.harmless(text, keepingNewlines: true).split(
            separator: "\n", omittingEmptySubsequences: false)
        return "\(name): " + lines.joined(separator: "\n    ")
    }
}
