import Foundation
import NATLab
import TestTools

/// The networks, the disks and the commands: two people behind NATs, and a server. Each of the three has a disk of its own, which can be filled.
package final class World: Sendable {
    static let proxyPort = 8080
    static let serverPort = 8081
    static let stunPort = 3478
    /// Size of a disk in bytes; what is not used costs nothing.
    private static let diskSize = 4 << 30

    let options: ChaosOptions
    let lab: Lab
    let texts: MessageText
    let evidence: Evidence
    /// What each calls the other, and themselves. Long enough not to occur by accident.
    let names: [Part: String]
    private let folder: TemporaryFolder
    private let hosts: [Part: LabHost]
    private let full = Watched<[Part: ContinuousClock.Instant?]>([:])

    private init(_ options: ChaosOptions, _ lab: Lab, _ evidence: Evidence) throws {
        self.options = options
        self.lab = lab
        self.evidence = evidence
        texts = MessageText(seed: options.seed)
        let tag = texts.words[0].capitalized
        names = [.alice: "Annunziata-\(tag)", .bob: "Bonaventura-\(tag)"]
        folder = try TemporaryFolder("chaos")
        var hosts: [Part: LabHost] = [:]
        for part in Part.allCases {
            hosts[part] = try lab.host(part.rawValue)
            try FileManager.default.createDirectory(
                atPath: folder.file(part.rawValue), withIntermediateDirectories: true)
        }
        self.hosts = hosts
    }

    static func make(_ options: ChaosOptions) async throws -> World {
        let lab = try await Lab.start { plan in
            plan.host("server")
            plan.host("alice", behind: .portRestricted)
            plan.host("bob", behind: .addressRestricted)
        }
        let world = try World(options, lab, try Evidence(options.evidence))
        for part in Part.allCases where !options.isOnDisk {
            try await world.shell(
                part, "mount -t tmpfs -o size=\(diskSize),mode=700 tmpfs '\(world.disk(part))'")
        }
        return world
    }

    func host(_ part: Part) throws -> LabHost {
        guard let host = hosts[part] else { throw LabError.unknown(part.rawValue) }
        return host
    }

    func name(_ part: Part) -> String { names[part] ?? part.rawValue }

    /// The folder that is a part's disk, in the laboratory.
    func disk(_ part: Part) -> String { folder.file(part.rawValue) }

    /// The server's data, or a person's home.
    func home(_ part: Part) -> String { disk(part) + "/home" }

    var serverURL: String { get throws { "ws://\(try host(.server).address):\(Self.proxyPort)" } }

    func program(_ name: String) -> String { "\(options.programs)/\(name)" }

    // MARK: Programs

    func startServer(observer: @escaping LabProcess.Observer) throws -> LabProcess {
        let host = try host(.server)
        return try host.spawn(
            program("sotto-signal"),
            [
                "--listen", "127.0.0.1:\(Self.serverPort)", "--stun", "\(host.address):\(Self.stunPort)", "--host",
                host.address, "--data", home(.server), "--mail-reserve-bytes", "0", "--new-connections-per-second",
                "1000",
                "--log-level", "info",
            ], observer: observer)
    }

    func startProxy() async throws -> LabProcess {
        let host = try host(.server)
        let process = try host.spawn(
            program("sotto-chaos"),
            [
                "mail-proxy", "--listen", "\(host.address):\(Self.proxyPort)", "--server",
                "127.0.0.1:\(Self.serverPort)",
                "--seed", "\(options.seed)", "--repeats", "\(options.repeats)", "--swaps", "\(options.swaps)",
                "--doubles",
                "\(options.doubles)",
            ])
        _ = try await process.nextLine("ready") { $0.hasPrefix("ready") }
        return process
    }

    func startPerson(_ part: Part, _ manner: Manner, observer: @escaping LabProcess.Observer) throws -> LabProcess {
        var arguments = ["--home", home(part), "--json", "--log-level", options.evidence == nil ? "error" : "info"]
        arguments += passphrase(part)
        arguments += manner.isChat ? ["chat", name(part.other)] : ["listen"]
        if manner.isRelayOnly { arguments += ["--path", "relay"] }
        return try host(part).spawn(program("sotto"), arguments, observer: observer)
    }

    /// The options that unlock a home.
    private func passphrase(_ part: Part) -> [String] {
        options.hasPassphrase ? ["--passphrase-file", folder.file("passphrase")] : []
    }

    /// Makes a home.
    func initialise(_ part: Part) async throws -> [String] {
        let arguments = ["init", "--server", try serverURL, "--name", name(part)]
        guard options.hasPassphrase else { return try await sotto(part, arguments + ["--no-passphrase"]) }
        try folder.write("passphrase", "\(texts.words[1]) \(texts.words[2])\n")
        return try await sotto(part, arguments)
    }

    /// Runs a command of `sotto` to its end, which has to be a good one.
    @discardableResult
    func sotto(_ part: Part, _ arguments: [String], within limit: Duration = .seconds(60)) async throws -> [String] {
        let process = try host(part).spawn(
            program("sotto"), ["--home", home(part), "--json"] + passphrase(part) + arguments)
        process.closeInput()
        do {
            let status = try await process.exit(within: limit)
            guard status.succeeded else {
                throw LabError.commandFailed(
                    process.name, status,
                    output: process.lines.suffix(5).map(\.text).joined(separator: "\n") + process.errorText)
            }
            return process.lines.map(\.text)
        } catch {
            await process.kill()
            throw error
        }
    }

    /// What a person's home remembers of the conversation, oldest first: all of it, or the last so many.
    func history(of part: Part, last: Int? = nil, within limit: Duration = .seconds(60)) async throws -> [HistoryRow] {
        let lines = try await sotto(
            part, ["history", name(part.other), "--limit", "\(last ?? 0)"], within: limit)
        return lines.map { HistoryRow($0) }
    }

    // MARK: Disks

    @discardableResult
    func shell(_ part: Part, _ script: String) async throws -> String {
        let output = try await host(part).run("/bin/sh", "-euc", script, within: .seconds(120))
        guard output.status.succeeded else {
            throw LabError.commandFailed("sh -c '\(script)'", output.status, output: output.errors)
        }
        return output.output
    }

    /// Makes a disk as large as what is on it, so that nothing more fits.
    func fill(_ part: Part) async throws {
        full.update { $0[part] = .some(nil) }
        let disk = disk(part)
        // What the programs write meanwhile is in the way: then the limit would be below what is used.
        try await shell(
            part,
            """
            for slack in 0 16384 65536 262144 1048576 4194304; do
                used=$(stat -f -c '%b %f %S' '\(disk)' | { read all free size; echo $(((all - free) * size)); })
                if mount -o remount,size=$((used + slack)) '\(disk)' 2>/dev/null; then exit 0; fi
            done
            exit 1
            """)
    }

    func free(_ part: Part) async throws {
        try await shell(part, "mount -o remount,size=\(Self.diskSize) '\(disk(part))'")
        full.update { $0[part] = .some(.now) }
    }

    /// Whether a part's disk is full, or was a moment ago.
    func isFull(_ part: Part) -> Bool {
        guard let entry = full.value[part] else { return false }
        guard let freed = entry else { return true }
        return ContinuousClock.now - freed < .seconds(5)
    }

    /// A copy of a part's files, outside of the laboratory.
    func copy(_ part: Part, _ purpose: String) async throws -> String {
        let copy = folder.file("copy-\(purpose)-\(part.rawValue)")
        try await shell(part, "mkdir '\(copy)' && cp -a '\(home(part))/.' '\(copy)'")
        return copy
    }

    func close() async throws { try await lab.close() }
}

extension HistoryRow {
    /// Reads a line of `sotto history --json`.
    init(_ line: String) {
        guard let event = Event(line) else {
            self.init(kind: .other(line), id: "", text: "", state: "")
            return
        }
        let kind: Kind
        switch (event.event, event.direction) {
        case ("message", "in"?), ("message", "incoming"?): kind = .incoming
        case ("message", "out"?), ("message", "outgoing"?): kind = .outgoing
        default: kind = .other(String(line.prefix(200)))
        }
        self.init(kind: kind, id: event.id ?? "", text: event.text ?? "", state: event.state ?? "")
    }
}
