import ArgumentParser
import Identity
import Messenger
import Wire

struct ID: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "id", abstract: "Show your peer id.", usage: "sotto id [options]")

    @OptionGroup var common: CommonOptions

    func run() async throws {
        try await common.run { output in
            let peer = try Home.peerID(at: common.homeDirectory).description
            output.ready(peer)
            output.say(peer)
        }
    }
}
