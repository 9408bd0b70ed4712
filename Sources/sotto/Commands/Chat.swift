import ArgumentParser
import Foundation
import Messenger

struct Chat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a contact.",
        discussion: """
            The status line shows what carries the conversation (relay or direct), the round-trip time, and whether the contact is verified.
            With --json, lines {"send":"text"} on standard input are sent and {"quit":true} ends.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions

    @Argument(help: "The contact.")
    var name: String

    /// How long leaving waits for messages that the contact has not confirmed, in seconds.
    private static let farewell = 5.0

    func run() async throws {
        try await common.run { output in
            try await Online.run(common, network) { messenger in
                let contact = try await messenger.contact(named: name)
                await messenger.keepConnected(to: contact, onScreen: true)
                if output.isJSON {
                    try await script(messenger, contact, output)
                } else {
                    try await converse(messenger, contact)
                }
            }
        }
    }

    // MARK: For scripts

    private func script(_ messenger: Messenger, _ contact: Contact, _ output: Output) async throws {
        let reader = Task {
            await ScriptReader.run(messenger, only: contact, output)
            await Self.leave(messenger, contact)
        }
        defer { reader.cancel() }
        for await event in messenger.events {
            output.common(event)
            if case .server(.disconnected(let reason, nil)) = event { throw Failure("server", reason) }
        }
    }

    /// Waits a little for what was not confirmed yet, and goes.
    private static func leave(_ messenger: Messenger, _ contact: Contact) async {
        let end = ContinuousClock.now + .seconds(farewell)
        while await messenger.undelivered(to: contact) > 0, .now < end, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(20))
        }
        await messenger.stop()
    }

    // MARK: For people

    private func converse(_ messenger: Messenger, _ contact: Contact) async throws {
        let view = ChatView(contact)
        defer { view.screen.close() }
        let typing = Task {
            for await input in view.screen.inputs {
                switch input {
                case .line(let text):
                    do {
                        view.typed(text, try await messenger.send(text, to: contact))
                    } catch {
                        view.screen.showNotice(Failure(error).message)
                    }
                case .interrupt, .endOfInput:
                    if await messenger.undelivered(to: contact) > 0 {
                        view.screen.showNotice("waiting for unconfirmed messages; Ctrl-C again leaves now")
                        let again = Task {
                            for await input in view.screen.inputs where input == .interrupt { break }
                            await messenger.stop()
                        }
                        await Self.leave(messenger, contact)
                        again.cancel()
                    }
                    return await messenger.stop()
                }
            }
        }
        defer { typing.cancel() }
        for await event in messenger.events {
            if let failure = view.show(event) { throw failure }
        }
    }
}
