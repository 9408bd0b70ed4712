import ArgumentParser
import Foundation
import Messenger

struct Chat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a contact.",
        usage: "sotto chat NAME [--path auto|direct|relay] [options]",
        discussion: """
            The status line shows what carries the conversation (relay or direct), the round-trip time, and whether the contact is verified.
            Ctrl-C or Ctrl-D leaves. With --json, lines {"send":"text"} on standard input are sent and {"quit":true} ends.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions

    @Argument(help: "The contact.")
    var name: String

    /// How often the status line learns the round-trip time anew.
    private static let refresh = Duration.seconds(2)

    func run() async throws {
        try await common.run { output in
            try await Online.run(common, network, contact: name) { messenger in
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
            _ = await ScriptReader.run(messenger, only: contact, output)
            await ScriptReader.leave(messenger)
        }
        defer { reader.cancel() }
        for await event in messenger.events {
            output.common(event)
            if case .server(.disconnected(let reason, nil)) = event { throw Failure("server", reason) }
        }
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
                        await ScriptReader.leave(messenger)
                        again.cancel()
                    }
                    return await messenger.stop()
                }
            }
        }
        let measuring = Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: Self.refresh)
                if let path = await messenger.path(to: contact) { view.measured(path) }
            }
        }
        defer {
            typing.cancel()
            measuring.cancel()
        }
        for await event in messenger.events {
            if let failure = view.show(event) { throw failure }
        }
    }
}
