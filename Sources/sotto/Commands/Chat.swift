import ArgumentParser
import Foundation
import Messenger
import Vault

struct Chat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a contact.",
        usage: "sotto chat NAME [--path auto|direct|relay] [options]",
        discussion: """
            Begins with what was said last. The status line shows what carries the conversation (relay or direct), the round-trip time, \
            whether the contact is verified, and how far your last message has come. /help lists what else can be done. Ctrl-C or Ctrl-D \
            leaves. With --json, lines {"send":"text"} on standard input are sent and {"quit":true} ends.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions

    @Argument(help: "The contact.")
    var name: String

    /// How often the status line learns the round-trip time anew.
    private static let refresh = Duration.seconds(2)
    /// So many messages are shown at the beginning, and more when more are unread.
    private static let shown = 30
    private static let mostShown = 500

    func run() async throws {
        try await common.run { output in
            try await Online.run(common, network, contact: name) { messenger, home in
                let contact = try await messenger.contact(named: name)
                await messenger.keepConnected(to: contact, onScreen: true)
                if output.isJSON {
                    try await script(messenger, home, contact, output)
                } else {
                    try await converse(messenger, home, contact)
                }
            }
        }
    }

    // MARK: For scripts

    private func script(_ messenger: Messenger, _ home: Home, _ contact: Contact, _ output: Output) async throws {
        let script = ScriptReader(messenger, only: contact, output)
        let unread = Unread(messenger, home)
        let status = StatusKeeper(home)
        async let _: Void = {
            _ = await script.run()
            await ScriptReader.leave(messenger)
        }()
        async let _: Void = unread.keepMarking()
        async let _: Void = status.keep()
        try unread.show(of: [contact]) { message, contact in output.message(message, with: contact) }
        for await event in messenger.events {
            status.take(event)
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

    private func converse(_ messenger: Messenger, _ home: Home, _ contact: Contact) async throws {
        let (typing, isTyping) = AsyncStream.makeStream(of: Bool.self, bufferingPolicy: .bufferingNewest(1))
        let view = ChatView(contact, onTyping: { isTyping.yield($0) })
        defer { view.screen.close() }
        let unread = Unread(messenger, home)
        let status = StatusKeeper(home)
        try begin(view, unread, home, contact)
        async let _: Void = type(into: view, messenger, home, contact)
        async let _: Void = measure(for: view, messenger, contact)
        async let _: Void = { for await isTyping in typing { await messenger.setTyping(isTyping, to: contact) } }()
        async let _: Void = unread.keepMarking()
        async let _: Void = status.keep()
        for await event in messenger.events {
            status.take(event)
            if case .message(let message) = event, message.contact.peer == contact.peer {
                guard view.isNew(message.stored) else { continue }
                unread.saw(message.stored, of: contact)
            }
            if let failure = view.show(event) { throw failure }
        }
        await unread.settle()
    }

    private func begin(_ view: ChatView, _ unread: Unread, _ home: Home, _ contact: Contact) throws {
        let counts = try home.counts()
        let new = contact.row.flatMap { counts[$0]?.unread } ?? 0
        let count = min(max(Self.shown, new + 5), Self.mostShown)
        let messages = try home.history(contact, last: count)
        view.begin(with: messages, isMore: messages.count == count)
        for message in messages { unread.saw(message, of: contact) }
    }

    /// Carries out what the user types, until they leave.
    private func type(into view: ChatView, _ messenger: Messenger, _ home: Home, _ contact: Contact) async {
        let orders = ChatOrders(messenger: messenger, home: home, contact: contact, view: view)
        for await input in view.screen.inputs {
            if case .line(let line) = input, await !orders.carryOut(line) { continue }
            return await leave(view, messenger, contact)
        }
    }

    private func leave(_ view: ChatView, _ messenger: Messenger, _ contact: Contact) async {
        if await messenger.isBusy {
            view.screen.showNotice("waiting for unconfirmed messages; Ctrl-C again leaves now")
            async let _: Void = {
                for await input in view.screen.inputs where input == .interrupt { break }
                await messenger.stop()
            }()
            await ScriptReader.leave(messenger)
        }
        let waiting = await messenger.undelivered(to: contact)
        if waiting > 0 {
            view.screen.showNotice(
                "\(MessageText.count(waiting, "message")) not delivered yet: stored, and sent the next time")
        }
        await messenger.stop()
    }

    /// Keeps the round-trip time in the status line fresh.
    private func measure(for view: ChatView, _ messenger: Messenger, _ contact: Contact) async {
        while (try? await Task.sleep(for: Self.refresh)) != nil {
            view.measured(await messenger.path(to: contact))
        }
    }
}
