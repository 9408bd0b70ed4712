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
            try await Online.run(common, network, contact: name) { messenger, home in
                let contact = try await messenger.contact(named: name)
                await messenger.keepConnected(to: contact, onScreen: true)
                if output.isJSON {
                    try await script(messenger, home, contact, output)
                } else {
                    try await converse(messenger, contact)
                }
            }
        }
    }

    // MARK: For scripts

    private func script(_ messenger: Messenger, _ home: Home, _ contact: Contact, _ output: Output) async throws {
        let script = ScriptReader(messenger, only: contact, output)
        let unread = Unread(messenger, home)
        async let _: Void = {
            _ = await script.run()
            await ScriptReader.leave(messenger)
        }()
        async let _: Void = unread.keepMarking()
        try unread.show(of: [contact]) { message, contact in output.message(message, with: contact) }
        for await event in messenger.events {
            if case .message(let message) = event {
                guard unread.isNew(message.stored) else { continue }
                unread.saw(message.stored, of: message.contact)
            }
            output.common(event, ref: script.ref(of: event))
            if case .server(.disconnected(let reason, nil)) = event { throw Failure("server", reason) }
        }
        await unread.settle()
    }

    // MARK: For people

    private func converse(_ messenger: Messenger, _ contact: Contact) async throws {
        let view = ChatView(contact)
        defer { view.screen.close() }
        async let _: Void = type(into: view, messenger, contact)
        async let _: Void = measure(for: view, messenger, contact)
        for await event in messenger.events {
            if let failure = view.show(event) { throw failure }
        }
    }

    /// Carries out what the user types, until they leave.
    private func type(into view: ChatView, _ messenger: Messenger, _ contact: Contact) async {
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
                    async let _: Void = {
                        for await input in view.screen.inputs where input == .interrupt { break }
                        await messenger.stop()
                    }()
                    await ScriptReader.leave(messenger)
                }
                return await messenger.stop()
            }
        }
    }

    /// Keeps the round-trip time in the status line fresh.
    private func measure(for view: ChatView, _ messenger: Messenger, _ contact: Contact) async {
        while (try? await Task.sleep(for: Self.refresh)) != nil {
            if let path = await messenger.path(to: contact) { view.measured(path) }
        }
    }
}
