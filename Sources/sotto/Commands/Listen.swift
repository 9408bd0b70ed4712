import ArgumentParser
import Foundation
import Messenger
import Vault
import Wire

struct Listen: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stay reachable for all contacts and show what they write.",
        usage: "sotto listen [--path auto|direct|relay] [--bench] [options]",
        discussion: """
            Begins with the messages that came since somebody looked last, and marks what it shows as seen. With --json, lines \
            {"to":"name","send":"text"} on standard input are sent, and {"quit":true} ends. Ctrl-C ends.
            """
    )

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions

    @Flag(
        help:
            "Let contacts measure with this device: 'sotto bench'. It takes all the network and processor time there is."
    )
    var bench = false

    func run() async throws {
        try await common.run { output in
            var options = try network.messengerOptions()
            options.offersBenchmarks = bench
            try await Online.run(common, options) { messenger, home in
                let script = ScriptReader(messenger, only: nil, output)
                let unread = Unread(messenger, home)
                // The end of the input ends nothing: who listens may have none.
                async let _: Void = {
                    if output.isJSON, await script.run() { await ScriptReader.leave(messenger) }
                }()
                let status = StatusKeeper(home)
                async let _: Void = unread.keepMarking()
                async let _: Void = status.keep()
                try unread.show(of: try home.book().contacts) { message, contact in
                    show(message, of: contact, output)
                }
                try await follow(messenger, script, unread, status, output)
            }
        }
    }

    private func follow(
        _ messenger: Messenger, _ script: ScriptReader, _ unread: Unread, _ status: StatusKeeper, _ output: Output
    ) async throws {
        var teller = Teller(output: output)
        for await event in messenger.events {
            status.take(event)
            if case .message(let message) = event {
                guard unread.isNew(message.stored) else { continue }
                teller.memory.note(message.stored)
                show(message.stored, of: message.contact, output)
                unread.saw(message.stored, of: message.contact)
            } else {
                output.common(event, ref: script.ref(of: event))
                try teller.tell(event)
            }
        }
        await unread.settle()
    }

    private func show(_ message: StoredMessage, of contact: Contact, _ output: Output) {
        output.message(message, with: contact)
        output.say(Self.entry(contact.name, MessageText.body(message)))
    }

    /// A message as lines. All but the first are indented: whatever somebody writes, it cannot look like another's message.
    static func entry(_ name: String, _ text: String) -> String {
        let lines = DisplayText.harmless(text, keepingNewlines: true).split(
            separator: "\n", omittingEmptySubsequences: false)
        return "\(name): " + lines.joined(separator: "\n    ")
    }
}

/// Tells people what happens, each thing once.
private struct Teller {
    let output: Output
    var memory = MessageMemory()
    /// Why a contact could not be reached, as it was told last: attempts repeat, their news does not.
    private var told: [Contact: String] = [:]

    init(output: Output) { self.output = output }

    mutating func tell(_ event: MessengerEvent) throws {
        switch event {
        case .ready(let peer):
            output.say("Reachable as \(peer)")
        case .mailbox(let waiting):
            if let waiting, waiting > 0 {
                output.say("\(MessageText.count(waiting, "message")) waiting on the server.")
            }
        case .contact(let contact):
            output.say("\(contact.name) is a contact now (\(contact.verified ? "verified" : "not verified")).")
        case .request(let contact):
            output.say(MessageText.request(contact))
        case .online(let contact):
            told[contact] = nil
            output.say("\(contact.name) is here.")
        case .offline(let contact, let reason):
            if told.updateValue(reason, forKey: contact) != reason { output.say("\(contact.name): \(reason).") }
        case .path(let contact, let report):
            output.say("\(contact.name): \(report.summary)")
        case .changed(let message, let contact):
            if let change = memory.change(message, with: contact.name) { output.say(DisplayText.harmless(change)) }
        case .server(.disconnected(let reason, let retryIn)):
            guard let retryIn else { throw Failure("server", reason) }
            output.notice("No connection to the server (\(reason)); trying again in \(Int(retryIn.rounded(.up))) s.")
        case .benchmark(let contact, .began): output.say("\(contact.name) measures with this device.")
        case .benchmark(let contact, .ended(let bytes)):
            output.say("\(contact.name) measures no longer, after \(bytes / 1_000_000) MB.")
        case .notice(let contact, let notice):
            output.notice(notice.sentence(about: contact))
        case .state(let id, let contact, .failed, let reason):
            output.notice("\(contact.name): message \(id) was not delivered: \(reason ?? "unknown reason")")
        case .server, .state, .pong, .message, .expired, .typing, .benchmark:
            break
        }
    }
}
