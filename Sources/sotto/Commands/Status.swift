import ArgumentParser
import Foundation
import Identity
import Messenger
import Vault
import Wire

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show who is online with your home, and what waits for whom.",
        usage: "sotto status [options]",
        discussion: "Goes online for nothing: works offline, and beside the program that is online.")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let book = try home.book()
            let process = Home.onlineProcess(at: common.homeDirectory)
            let report = process == nil ? nil : try StatusReport(reading: home)
            tell(home, book, process, report, output)
            for contact in book.contacts { try tell(contact, home, report, output) }
        }
    }

    private func tell(
        _ home: Home, _ book: ContactBook, _ process: Int32?, _ report: StatusReport?, _ output: Output
    ) {
        output.event(
            JSONLine(event: "status").adding("peer", .text(home.identity.peerID.description))
                .adding("server", .text(book.server)).adding("online", .flag(process != nil))
                .adding("process", process.flatMap { $0 > 0 ? .integer(Int($0)) : nil })
                .adding("connected", report.map { .flag($0.isConnected) })
                .adding("reason", report?.reason.map { .text($0) })
                .adding("mailbox", report.map { .flag($0.hasMailbox) }))
        output.say("You         \(home.identity.peerID)")
        let connection =
            switch report {
            case let report? where report.isConnected:
                "connected" + (report.hasMailbox ? ", with a mailbox" : ", without a mailbox")
            case let report?: "not connected" + (report.reason.map { " (\($0))" } ?? "")
            case nil: process == nil ? "not used now" : "not known"
            }
        output.say("Server      \(book.server): \(connection)")
        let who =
            process.map { $0 > 0 ? "process \($0)" : "another program" }
            ?? "nobody: 'sotto listen' or 'sotto chat' is not running"
        output.say("Online      \(who)")
    }

    private func tell(_ contact: Contact, _ home: Home, _ report: StatusReport?, _ output: Output) throws {
        guard let row = contact.row else { return }
        let (waiting, unmailed) = try home.queue(contact)
        let unread = try home.vault.read { try $0.unreadCount(from: row) }
        let path = report?.paths[contact.peer.description]
        let dataPlane = report?.dataPlanes?[contact.peer.description]
        output.event(
            JSONLine(event: "queue").adding("contact", .text(contact.name)).adding("state", .text(contact.state.word))
                .adding("session", report.map { _ in .flag(path != nil) }).adding("path", path.map { .text($0) })
                .adding("data_plane", dataPlane.map { .text($0) })
                .adding("waiting", .integer(waiting)).adding("mailed", .integer(waiting - unmailed))
                .adding("unread", .integer(unread)))
        let carrier = path.map { ConversationPath.carrier($0, dataPlane) }
        var words = [carrier.map { "connected (\($0))" } ?? (report == nil ? contact.state.word : "not connected")]
        if waiting > unmailed { words.append("\(waiting - unmailed) in the mailbox") }
        if unmailed > 0 { words.append("\(unmailed) waiting here") }
        if unread > 0 { words.append("\(unread) unread") }
        output.say("\(contact.name): \(words.joined(separator: ", "))")
    }
}
