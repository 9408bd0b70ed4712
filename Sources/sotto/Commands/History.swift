import ArgumentParser
import Foundation
import Messenger
import Vault
import Wire

struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what was said with a contact.",
        usage: "sotto history NAME [--limit N] [--before ID] [options]",
        discussion:
            "The latest messages, the oldest of them first. Works offline, and beside a running program. Marks nothing as seen."
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: "The contact.")
    var name: String

    @Option(
        name: [.customLong("limit"), .customLong("last")],
        help: ArgumentHelp("So many messages at most; 0 for all.", valueName: "count"))
    var limit = 50

    @Option(help: ArgumentHelp("Only messages before this one.", valueName: "id"))
    var before: MessageID?

    func validate() throws {
        guard limit >= 0 else { throw ValidationError("--limit takes a number from 0") }
    }

    /// Messages read at a time.
    private static let page = 512

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let contact = try home.book().contact(named: name)
            let end = try before.map { id in
                guard let found = try home.message(id, with: contact) else { throw SendError.unknownMessage }
                return found.row
            }
            var printer = HistoryPrinter(contact: contact, output: output)
            guard let row = contact.row else { return }
            // One state of the history, whatever is written, sorted in or removed meanwhile.
            try home.vault.read { reader in
                try show(row, before: end, reader) { printer.show($0) }
            }
            if printer.isEmpty { output.notice("Nothing was said with \(contact.name) yet.") }
        }
    }

    /// Page by page, so that a long history needs no memory.
    private func show(
        _ contact: ContactRow, before end: Int64?, _ reader: VaultReader, _ body: (StoredMessage) -> Void
    ) throws {
        var last: Int64 = .min
        if limit > 0 {
            guard let first = try firstOfLast(contact, before: end, reader) else { return }
            body(first)
            last = first.row
        }
        while !StandardOutput.isBroken {
            let page = try reader.messages(with: contact, after: last, first: Self.page)
            for message in page {
                if message.row == end { return }
                body(message)
            }
            guard page.count == Self.page, let next = page.last?.row else { return }
            last = next
        }
    }

    /// The first of the last ``limit`` messages.
    private func firstOfLast(
        _ contact: ContactRow, before end: Int64?, _ reader: VaultReader
    ) throws -> StoredMessage? {
        var first: StoredMessage?
        var left = limit
        while left > 0 {
            let count = min(left, Self.page)
            let page = try reader.messages(with: contact, before: first?.row ?? end ?? .max, last: count)
            first = page.first ?? first
            guard page.count == count else { break }
            left -= count
        }
        return first
    }
}

/// Writes messages of one contact, with a line for each new day.
struct HistoryPrinter {
    let contact: Contact
    let output: Output
    private(set) var isEmpty = true
    private var day = ""

    init(contact: Contact, output: Output) {
        self.contact = contact
        self.output = output
    }

    mutating func show(_ message: StoredMessage) {
        isEmpty = false
        if output.isJSON { return output.message(message, with: contact) }
        let date = TimeText.date(message.sentAt)
        let day = TimeText.day(date)
        if day != self.day { output.say("-- \(day) --") }
        self.day = day
        output.say("\(TimeText.clock(date)) \(Self.entry(message, of: contact.name))")
    }

    /// A message as people read it: who, what, how far it has come, and its id for the commands that want one.
    static func entry(_ message: StoredMessage, of name: String) -> String {
        let isOwn = message.direction == .outgoing
        var remarks: [String] = []
        if isOwn || message.state == .unread { remarks.append(message.state.word) }
        if let reason = message.reason { remarks.append(DisplayText.harmless(reason)) }
        if let seconds = message.expiresAfter { remarks.append("disappears after \(DurationText.text(seconds))") }
        if let reactions = MessageText.reactions(message, of: name) { remarks.append(reactions) }
        remarks.append(message.name)
        return Listen.entry(isOwn ? "you" : name, MessageText.body(message)) + "  (\(remarks.joined(separator: ", ")))"
    }
}

struct Search: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find messages by their words.",
        usage: "sotto search TEXT [--in NAME] [--limit N] [options]",
        discussion:
            "Finds messages that hold every word, or words that begin so, without regard to case and accents. The latest come last."
    )

    @OptionGroup var common: CommonOptions

    @Argument(help: "The words.")
    var text: String

    @Option(name: .customLong("in"), help: ArgumentHelp("Only messages with this contact.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("So many messages at most.", valueName: "count"))
    var limit = 50

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit takes 1 to 100000") }
    }

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock(searchable: true)
            let book = try home.book()
            let only = try name.map { try book.contact(named: $0) }
            let contacts = Dictionary(
                book.contacts.compactMap { contact in contact.row.map { ($0, contact) } }, uniquingKeysWith: { $1 })
            let found = try home.vault.search(text, limit: only == nil ? limit : 1_000_000)
                .filter { only == nil || $0.contact == only?.row }.prefix(limit)
            for message in found.reversed() {
                guard let contact = contacts[message.contact] else { continue }
                output.message(message, with: contact)
                let date = TimeText.date(message.sentAt)
                let place = only == nil ? "[\(contact.name)] " : ""
                output.say(
                    "\(TimeText.day(date)) \(TimeText.clock(date)) \(place)\(HistoryPrinter.entry(message, of: contact.name))"
                )
            }
            if found.isEmpty { output.notice("Nothing found.") }
        }
    }
}
