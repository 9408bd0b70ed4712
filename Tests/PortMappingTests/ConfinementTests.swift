import Foundation
import TestTools
import Testing

/// What a helper that was taken over can still do. The probe confines itself as the helper does.
struct ConfinementTests {
    private static var probe: String {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return (own as NSString).deletingLastPathComponent + "/confinement-probe"
    }

    @Test func leavesSocketsOfIPv4AndSomeMemory() async throws {
        let probe = try Program(Self.probe, [])
        #expect(try await probe.ending() == .code(0))
        let pairs = probe.output.split(separator: "\n").map { $0.split(separator: " ") }
        let codes = Dictionary(
            pairs.map { (String($0[0]), Int32($0[1]) ?? -1) }, uniquingKeysWith: { first, _ in first })
        let allowed = ["confined", "udp", "udp17", "tcp", "tcp6", "little"]
        let refused = [
            "open", "create", "unlink", "stat", "status", "execute", "fork", "signal", "trace", "peek", "ring", "prctl",
            "limits", "unix", "ipv6", "netlink", "raw", "mptcp", "sctp", "udplite", "icmp", "capability", "code",
            "turned",
        ]
        for name in allowed { #expect(codes[name] == 0, "\(name)") }
        for name in refused { #expect(codes[name] == EPERM, "\(name)") }
        #expect(codes["much"] == ENOMEM)
        #expect(codes.count == allowed.count + refused.count + 1)
    }
}
