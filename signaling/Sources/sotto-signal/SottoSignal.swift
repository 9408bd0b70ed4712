import ArgumentParser
import Glibc
import Logging
import NIOCore
import SignalingServer
import UnixSignals

/// The signaling server as a program: reads the settings, runs the server, heeds signals.
@main
struct SottoSignal: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sotto-signal",
        abstract: "Introduces Sotto's peers to each other, and carries their packets when they cannot meet.",
        discussion: """
            Without arguments it listens on every address, TCP port 8080 and UDP ports 3478 and 3479 (STUN), and prints the URL to \
            give to `sotto init --server`.

            Every option is also an environment variable (--tls-cert is SOTTO_SIGNAL_TLS_CERT; lists are separated by \
            commas) and a key of the JSON file given with --config ("tlsCert"; lists are arrays). Options go before \
            variables, variables before the file.

            SIGTERM and SIGINT shut it down in at most 5 seconds; a second one ends it at once. SIGHUP reads the \
            certificate again.
            """)

    @OptionGroup var options: Options

    func run() async throws {
        let settings: Settings
        do {
            settings = try await Settings.resolve(options)
        } catch {
            Self.complain("\(error)")
            throw error.isUsage ? ExitCode.validationFailure : ExitCode.failure
        }
        Limits.raiseOpenFiles()
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let logger = settings.logger
        let server: SignalingServer
        do {
            server = try await SignalingServer.start(settings.server, logger: logger)
        } catch {
            Self.complain("\(error)")
            throw ExitCode.failure
        }
        announce(server)
        await Self.heed(signals, server, logger)
    }

    /// What scripts and people want to know, on standard output.
    private func announce(_ server: SignalingServer) {
        for url in server.urls { print("Clients use: --server \(url)") }
        if let stun = server.stunAddress {
            let second = server.secondSTUNAddress?.port.map { " and \($0)" } ?? ""
            print("STUN on UDP: \(stun.ipAddress ?? "?") port \(stun.port ?? 0)\(second)")
        }
        fflush(nil)
    }

    /// Returns after the shutdown.
    private static func heed(_ signals: UnixSignalsSequence, _ server: SignalingServer, _ logger: Logger) async {
        var shutdown: Task<Void, Never>?
        for await signal in signals {
            guard signal != .sighup else {
                server.reloadCertificates()
                continue
            }
            guard shutdown == nil else { _exit(1) }
            logger.notice("shutting down")
            shutdown = Task {
                await server.shutdown()
                logger.notice("stopped")
                fflush(nil)
                _exit(0)
            }
        }
    }

    private static func complain(_ text: String) {
        StandardError.write("sotto-signal: \(text)\n")
    }
}

/// Standard error, a whole text at a time.
enum StandardError {
    static func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// What the system allows.
enum Limits {
    /// As many open files as the administrator permits: each connection is one.
    static func raiseOpenFiles() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
