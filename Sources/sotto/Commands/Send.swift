import ArgumentParser
import Foundation
import Messenger

struct Send: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send one message to a contact, whether they are there or not.",
        usage: "sotto send NAME TEXT|- [--reply ID] [--wait STATE] [--timeout S] [options]",
        discussion: """
            The message is stored on this device first, and never lost. Without --wait the command ends with the best that can be had: \
            delivered when the contact is there, sent when their mailbox has it, else queued: then it goes out when 'sotto listen', \
            'sotto chat' or another 'sotto send' runs.
            """)

    @OptionGroup var common: CommonOptions
    @OptionGroup var network: NetworkOptions
    @OptionGroup var delivery: DeliveryOptions

    @Argument(help: "The contact.")
    var name: String

    @Argument(help: "The message, or - to read it from standard input.")
    var text: String

    @Option(help: ArgumentHelp("The message that this one answers.", valueName: "id"))
    var reply: MessageID?

    func run() async throws {
        try await common.run { output in
            let text = try message()
            // Whatever is wrong with the options is said before anything is stored.
            _ = try network.messengerOptions()
            let home = try common.unlock()
            let contact = try home.book().recipient(named: name)
            try await Online.heedingSignals {
                let id = try home.leave(text, for: contact, answers: reply)
                output.state(id, contact, .queued)
                try await Delivery(.message(id), to: contact, delivery).run(home, common, network, output)
            }
        }
    }

    private func message() throws -> String {
        let text = try text == "-" ? StandardInput.whole(limit: Messenger.maximumTextSize) : text
        try Messenger.check(text)
        return text
    }
}

extension MessageID: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument.lowercased()) }
}
