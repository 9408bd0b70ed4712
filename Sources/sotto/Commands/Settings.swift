import ArgumentParser
import Messenger
import Wire

struct Settings: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show or change settings.",
        usage: "sotto settings [NAME VALUE] [options]",
        discussion: """
            name TEXT              what you call yourself; contacts are told
            server URL             your signaling server; heeded when you go online next
            read-receipts on|off   whether contacts are told what you have read
            typing on|off          whether contacts see that you are writing
            """)

    enum Name: String, ExpressibleByArgument, CaseIterable {
        case name, server, typing
        case readReceipts = "read-receipts"
    }

    @OptionGroup var common: CommonOptions

    @Argument(help: "The setting to change.")
    var name: Name?

    @Argument(help: "Its new value.")
    var value: String?

    func validate() throws {
        guard let name else { return }
        guard let value else { throw ValidationError("'sotto settings \(name.rawValue) VALUE' changes it") }
        switch name {
        case .name: break
        case .server:
            guard (try? ServerURL(value)) != nil else {
                throw ValidationError("'\(DisplayText.harmless(value))' is not a server URL")
            }
        case .readReceipts, .typing:
            guard ["on", "off"].contains(value) else { throw ValidationError("\(name.rawValue) is on or off") }
        }
    }

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            if let name, let value { try change(name, to: value, home, output) }
            let book = try home.book()
            for each in Name.allCases where name == nil || name == each {
                let value = Self.value(each, book)
                output.event(
                    JSONLine(event: "setting").adding("name", .text(each.rawValue)).adding("value", .text(value)))
                output.say("\(each.rawValue)  \(value)")
            }
        }
    }

    private func change(_ name: Name, to value: String, _ home: Home, _ output: Output) throws {
        switch name {
        case .name: try home.rename(value)
        case .server:
            let server = try ServerURL(value).description
            try home.update { $0.server = server }
            if Home.onlineProcess(at: common.homeDirectory) != nil {
                output.remark(
                    "restart", nil, "The program that is online keeps to the old server until it is started again.")
            }
        case .readReceipts: try home.update { $0.sendsReadReceipts = value == "on" }
        case .typing: try home.update { $0.sendsTyping = value == "on" }
        }
    }

    private static func value(_ name: Name, _ book: ContactBook) -> String {
        switch name {
        case .name: book.ownName
        case .server: book.server
        case .readReceipts: book.sendsReadReceipts ? "on" : "off"
        case .typing: book.sendsTyping ? "on" : "off"
        }
    }
}
