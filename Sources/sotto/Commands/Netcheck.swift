import ArgumentParser
import Foundation
import GatewayHelper
import Messenger
import PortMapping
import Wire

struct Netcheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what this network allows: server, relay, UDP, IPv6, the kind of NAT, ports of the router.",
        usage: "sotto netcheck [options]")

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do not ask the router whether it gives out ports.")
    var noPortMapping = false

    @OptionGroup var trust: TrustOptions

    func run() async throws {
        try await common.run { output in
            let home = try common.unlock()
            let file = try trust.certificateFile()
            let thread = EventThread()
            let check = NetworkCheck(
                home: home, certificateFile: file, asksRouter: !noPortMapping, gatewayHelper: GatewayHelper.command,
                thread: thread, logger: common.logger)
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
                .adding("mapping", report.mapping.map { .text($0.rawValue) })
                .adding("port_mapping", report.router.map { .text($0.language?.rawValue ?? "none") })
                .adding("router_address", report.router?.external.map { .text($0.description) }))
        output.say(
            """
            Server      logged in after \(Self.milliseconds(report.loginMilliseconds))
            Relay       \(report.relayMilliseconds.map { "\(Self.milliseconds($0)) round trip" } ?? "no answer")
            UDP         \(Self.udp(report))
            IPv4        \(Self.seen(report.mappedV4, wasAsked: report.askedV4))
            IPv6        \(Self.seen(report.mappedV6, wasAsked: report.askedV6))
            NAT         \(Self.explain(report.mapping))
            Router      \(Self.explain(report.router))
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

    private static func explain(_ router: GatewayReport?) -> String {
        guard let router else { return "not asked for ports" }
        guard let language = router.language else {
            return "gives out no ports: it answers neither PCP, NAT-PMP nor UPnP-IGD"
        }
        let name =
            switch language {
            case .pcp: "PCP"
            case .natPMP: "NAT-PMP"
            case .upnpIGD: "UPnP-IGD"
            }
        guard let external = router.external else { return "gives out no ports: it refuses (\(name))" }
        guard router.isOfUse else {
            return "its ports are of no use: it is behind another NAT, as \(external) (\(name))"
        }
        return "gives out ports of \(external) (\(name))"
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
