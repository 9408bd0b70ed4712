import ArgumentParser
import Foundation
import Messenger
import Wire

struct Netcheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what this network allows: server, relay, UDP, IPv6, the kind of NAT.",
        usage: "sotto netcheck [options]")

    @OptionGroup var common: CommonOptions

    @OptionGroup var trust: TrustOptions

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let file = try trust.certificateFile()
            let thread = EventThread()
            let check = NetworkCheck(home: home, certificateFile: file, thread: thread, logger: common.logger)
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
                .adding("udp_blocked", report.isUDPBlocked.map { .flag($0) })
                .adding("stun_rtt_ms", report.stunMilliseconds.map { .number($0) })
                .adding("mapped_v4", report.mappedV4.map { .text($0.description) })
                .adding("mapped_v6", report.mappedV6.map { .text($0.description) })
                .adding("mapping", report.mapping.map { .text($0.rawValue) }))
        output.say(
            """
            Server      logged in after \(Self.milliseconds(report.loginMilliseconds))
            Relay       \(report.relayMilliseconds.map { "\(Self.milliseconds($0)) round trip" } ?? "no answer")
            UDP         \(Self.udp(report))
            IPv4        \(Self.seen(report.mappedV4, wasAsked: report.askedV4))
            IPv6        \(Self.seen(report.mappedV6, wasAsked: report.askedV6))
            NAT         \(Self.explain(report.mapping))
            """)
    }

    private static func milliseconds(_ value: Double) -> String { String(format: "%.1f ms", value) }

    private static func udp(_ report: NetworkReport) -> String {
        if let time = report.stunMilliseconds { return "open, STUN answers in \(milliseconds(time))" }
        guard report.askedV4 || report.askedV6 else { return "not known: the server offers no STUN" }
        return "blocked: conversations go over the relay"
    }

    private static func seen(_ mapped: Endpoint?, wasAsked: Bool) -> String {
        mapped.map { "seen as \($0)" } ?? (wasAsked ? "no answer" : "not known: the server was not reached this way")
    }

    private static func explain(_ mapping: NetworkReport.Mapping?) -> String {
        switch mapping {
        case nil: "not known: no STUN answer"
        case NetworkReport.Mapping.none?: "none: the server sees the address that this device has"
        case .endpointIndependent?: "endpoint-independent mapping: direct paths to nearly everybody"
        case .endpointDependent?: "endpoint-dependent mapping (symmetric): direct paths only to peers behind easy NATs"
        case .unknown?: "there is one; its kind needs a server with a second STUN port"
        }
    }
}
