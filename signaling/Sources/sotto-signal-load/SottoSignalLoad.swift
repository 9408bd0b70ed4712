import ArgumentParser
import Foundation

/// Loads a signaling server with clients and says what it did with them.
@main
struct SottoSignalLoad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sotto-signal-load",
        abstract: "Logs many peers in to a signaling server, lets them talk, and measures.",
        discussion: """
            The load is closed: so many frames are under way, and each that arrives makes its receiver send the next. With --server-pid the \
            server's CPU time and memory are read, which is what compares; the generator has a CPU as well.

            A server's limits are meant for people. For a measurement start it with --signals-per-second 1000000 \
            --frames-per-second 1000000 --bytes-per-second 8000000000, and with --max-connections above the number asked for. The limits per \
            address are kept by using many addresses 127.x.y.z (--per-address), so the server must be on this machine.
            """)

    @OptionGroup var options: LoadOptions

    func run() async throws {
        do {
            let report = try await measure()
            print(options.json ? report.json : report.table, terminator: options.json ? "\n" : "")
        } catch let error as LoadError {
            FileHandle.standardError.write(Data("sotto-signal-load: \(error)\n".utf8))
            throw ExitCode.failure
        }
    }

    private func measure() async throws -> LoadReport {
        Self.raiseOpenFiles()
        let process = options.serverPid.map(ServerProcess.init)
        let clock = ContinuousClock()
        let before = try process?.residentBytes() ?? 0
        let began = clock.now
        let crowd = try await Crowd.gather(options)
        let loginSeconds = Self.seconds(began.duration(to: clock.now))
        try await Task.sleep(for: .seconds(max(1, options.warmUp)))
        let with = try process?.residentBytes() ?? 0
        crowd.begin()
        try await Task.sleep(for: .seconds(options.warmUp))
        _ = try await crowd.collect()
        let (cpu, start) = (try process?.cpuSeconds() ?? 0, clock.now)
        try await Task.sleep(for: .seconds(options.seconds))
        let counts = try await crowd.collect()
        let used = try (process?.cpuSeconds() ?? 0) - cpu
        let seconds = Self.seconds(start.duration(to: clock.now))
        let after = try process?.residentBytes() ?? 0
        try await crowd.leave()
        return report(counts, process == nil ? nil : (used, before, with, after), loginSeconds, seconds)
    }

    private func report(
        _ counts: Tally.Counts, _ server: (cpu: Double, before: Int, with: Int, after: Int)?, _ loginSeconds: Double,
        _ seconds: Double
    ) -> LoadReport {
        let bits = Double(counts.bytes) * 8e-9
        let process = server.map { server in
            LoadReport.Server(
                cpuSeconds: server.cpu, residentBytesBefore: server.before, residentBytesWithConnections: server.with,
                residentBytesAfter: server.after,
                bytesPerConnection: Double(server.with - server.before) / Double(options.connections),
                framesPerCPUSecond: server.cpu > 0 ? Double(counts.frames) / server.cpu : nil,
                gigabitsPerCPUSecond: server.cpu > 0 ? bits / server.cpu : nil)
        }
        return LoadReport(
            mode: options.mode.rawValue, url: options.url, connections: options.connections, inFlight: options.frames,
            frameBytes: options.mode == .relay ? options.packets * options.packetBytes : options.signalBytes,
            loginSeconds: loginSeconds, seconds: seconds, frames: counts.frames,
            framesPerSecond: Double(counts.frames) / seconds, gigabitsPerSecond: bits / seconds,
            unreachable: counts.unreachable, lostConnections: counts.lost, latencyMilliseconds: .init(counts),
            server: process)
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }

    /// Each connection is an open file.
    private static func raiseOpenFiles() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
