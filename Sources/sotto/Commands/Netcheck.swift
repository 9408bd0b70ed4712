import ArgumentParser
import Foundation
import Messenger
import Wire

struct Netcheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what this network allows: server, relay, UDP, IPv6, the kind of NAT.")

    @OptionGroup var common: CommonOptions

    @Option(help: ArgumentHelp("Also trust the certificates in this PEM file for the server.", valueName: "file"))
    var caFile: String?

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let thread = EventThread()
            let check = NetworkCheck(home: home, certificateFile: caFile, thread: thread, logger: common.logger)
            let result: Result<NetworkReport, any Error>
            do { result = .success(try await check.run()) } catch { result = .failure(error) }
            await thread.shutdown()
            show(try result.get(), output)
        }
    }

    private func show(_ report: NetworkReport, _ output: Output) {
        output.event(
            JSONLine(event: "netcheck").adding("login_ms", .number(report.loginMilliseconds))
                .adding("relay_rtt_ms", report.relayMilliseconds.map { .number($0) })
                .adding("udp_blocked", .flag(report.isUDPBlocked)).adding(
                    "stun_rtt_ms", report.stunMilliseconds.map { .number($0) }
                )
                .adding("mapped_v4", report.mappedV4.map { .text($0.description) })
                .adding("mapped_v6", report.mappedV6.map { .text($0.description) })
                .adding("mapping", report.mapping.map { .text($0.rawValue) }))
        func milliseconds(_ value: Double?) -> String { value.map { String(format: "%.1f ms", $0) } ?? "no answer" }
        output.say(
            """
            Server      logged in after \(milliseconds(report.loginMilliseconds))
            Relay       \(milliseconds(report.relayMilliseconds)) round trip
            UDP         \(report.isUDPBlocked ? "blocked: conversations go over the relay" : "open, STUN answers in \(milliseconds(report.stunMilliseconds))")
            IPv4        \(report.mappedV4.map { "seen as \($0)" } ?? "no answer")
            IPv6        \(report.mappedV6.map { "seen as \($0)" } ?? "no answer")
            NAT         \(Self.explain(report.mapping))
            """)
    }

    private static func explain(_ mapping: NetworkReport.Mapping?) -> String {
        switch mapping {
        case nil: "not known: no STUN answer"
        case NetworkReport.Mapping.none?: "none: you have a public address"
        case .endpointIndependent?: "endpoint-independent mapping: direct paths to nearly everybody"
        case .endpointDependent?: "endpoint-dependent mapping (symmetric): direct paths only to peers behind easy NATs"
        case .unknown?: "there is one; its kind needs a server with a second STUN port"
        }
    }
}
