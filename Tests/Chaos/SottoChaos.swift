import ChaosLab
import Foundation
import NATLab

/// `make chaos`: two people and a server talk while everything around them breaks, and nothing may get lost.
@main
struct SottoChaos {
    static func main() async {
        do {
            var arguments = Array(CommandLine.arguments.dropFirst())
            if arguments.first == "mail-proxy" {
                arguments.removeFirst()
                return try MailProxy.run(try proxyOptions(Settings(arguments)))
            }
            let settings = try Settings(arguments)
            guard Lab.isAvailable else { throw ChaosUsage(description: Lab.unavailableReason) }
            let report = try await ChaosRun.run(try runOptions(settings))
            say("\n\(report.text)\n\n\(report.isClean ? "Nothing was lost." : "SOMETHING IS WRONG.")")
            if let file = settings.text("summary") {
                try (report.text + "\n").write(toFile: file, atomically: true, encoding: .utf8)
            }
            exit(report.isClean ? 0 : 1)
        } catch let error as ChaosUsage {
            FileHandle.standardError.write(Data("sotto-chaos: \(error)\n".utf8))
            exit(64)
        } catch {
            FileHandle.standardError.write(Data("sotto-chaos: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func runOptions(_ settings: Settings) throws -> ChaosOptions {
        var options = ChaosOptions(programs: settings.text("programs") ?? ownFolder)
        options.seed = UInt64(try settings.number("seed") ?? Int.random(in: 1...999_999))
        options.messages = max(2, try settings.number("messages") ?? options.messages)
        options.kills = try settings.number("kills") ?? options.kills
        options.cuts = try settings.number("cuts") ?? options.cuts
        options.fills = try settings.number("fills") ?? options.fills
        if let seconds = try settings.number("limit") { options.limit = .seconds(seconds) }
        options.evidence = settings.text("evidence")
        options.isShort = settings.text("short") == "yes"
        options.isOnDisk = settings.text("disk") == "real"
        options.progress = { say($0) }
        say(
            "seed \(options.seed): \(options.messages) messages, \(options.kills) kills, \(options.cuts) network cuts, \(options.fills) full disks"
        )
        return options
    }

    private static func proxyOptions(_ settings: Settings) throws -> MailProxy.Options {
        MailProxy.Options(
            listen: try settings.address("listen"), server: try settings.address("server"),
            seed: UInt64(try settings.number("seed") ?? 0), repeats: try settings.share("repeats"),
            swaps: try settings.share("swaps"), doubles: try settings.share("doubles"))
    }

    private static func say(_ text: String) {
        try? FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
    }

    private static var ownFolder: String {
        let own =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return (own as NSString).deletingLastPathComponent
    }
}

/// What is wrong with how the program was called.
struct ChaosUsage: Error, CustomStringConvertible {
    let description: String
}

/// `--name value` pairs; what is not among them comes from the environment in capitals (SEED, MESSAGES, …).
struct Settings {
    private static let known: Set<String> = [
        "seed", "messages", "kills", "cuts", "fills", "limit", "evidence", "summary", "programs", "short", "disk",
        "listen",
        "server", "repeats", "swaps", "doubles",
    ]
    private var values: [String: String] = [:]

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), Self.known.contains(String(name.dropFirst(2))), let value = rest.popFirst()
            else {
                let names = Self.known.sorted().map { "--\($0)" }.joined(separator: ", ")
                throw ChaosUsage(
                    description: "'\(name)' is not understood, or its value is missing; there are \(names)")
            }
            values[String(name.dropFirst(2))] = value
        }
    }

    func text(_ name: String) -> String? {
        let value = values[name] ?? ProcessInfo.processInfo.environment[name.uppercased()]
        return value?.isEmpty == false ? value : nil
    }

    func number(_ name: String) throws -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text), number >= 0 else {
            throw ChaosUsage(description: "\(name): not a number: \(text)")
        }
        return number
    }

    func share(_ name: String) throws -> Double {
        guard let text = text(name) else { return 0 }
        guard let share = Double(text), (0...1).contains(share) else {
            throw ChaosUsage(description: "\(name): not between 0 and 1: \(text)")
        }
        return share
    }

    func address(_ name: String) throws -> (host: String, port: Int) {
        let parts = (text(name) ?? "").split(separator: ":")
        guard parts.count == 2, let port = Int(parts[1]) else {
            throw ChaosUsage(description: "\(name): not HOST:PORT")
        }
        return (String(parts[0]), port)
    }
}
