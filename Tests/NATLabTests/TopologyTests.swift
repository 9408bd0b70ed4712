import NATLab
import Testing

@Suite(.enabled(if: Lab.isAvailable, "\(Lab.unavailableReason)"))
struct TopologyTests {
    /// No NAT here hairpins (RFC 4787 REQ-9 asks for it, few homes have it): only the local way is open.
    @Test(arguments: NATProfile.allCases.filter { $0 != .open })
    func connectsHostsOfASiteLocally(profile: NATProfile) async throws {
        try await Lab.with { plan in
            plan.site("home", behind: profile, families: .dual, hosts: ["one", "other"])
        } _: { lab in
            let (one, other) = (try lab.host("one"), try lab.host("other"))
            let (sender, receiver) = (try one.udpSocket(), try other.udpSocket(port: 6000))
            try sender.send("around", to: LabEndpoint(other.site.publicAddress, 6000))
            try sender.send("local", to: LabEndpoint(try #require(other.address4), 6000))
            let from = try await receiver.receive("local")
            #expect(from == LabEndpoint(try #require(one.address4), sender.port))
            #expect(receiver.datagrams.isEmpty)
            let (sender6, receiver6) = (try one.udpSocket(ipv6: true), try other.udpSocket(port: 6001, ipv6: true))
            try sender6.send("local", to: LabEndpoint(try #require(other.address6), 6001))
            #expect(try await receiver6.receive("local").address == one.address6)
        }
    }

    @Test(arguments: [AddressFamilies.ipv6, .dual])
    func connectsOpenHostsByIPv6(families: AddressFamilies) async throws {
        try await Lab.with { plan in
            plan.host("one", families: families)
            plan.host("other", families: .dual)
        } _: { lab in
            let (one, other) = (try lab.host("one"), try lab.host("other"))
            let (sender, receiver) = (try one.udpSocket(ipv6: true), try other.udpSocket(port: 6000, ipv6: true))
            try sender.send("hello", to: LabEndpoint(try #require(other.address6), 6000))
            #expect(try await receiver.receive("hello").address == one.address6)
            #expect((one.address4 == nil) == (families == .ipv6))
            let addresses = try await one.run("ip", "addr").output
            #expect(addresses.contains("inet 198.51.100") == (families == .dual))
        }
    }

    @Test func givesHostsWithIPv4NoIPv6AtAll() async throws {
        try await Lab.with { plan in
            plan.host("one")
            plan.host("other", behind: .portRestricted)
        } _: { lab in
            for name in ["one", "other"] {
                let addresses = try await lab.host(name).run("ip", "addr").output
                #expect(!addresses.contains("inet6"))
            }
        }
    }

    /// An IPv6 network is not translated, but guarded: out is free, in only as an answer.
    @Test(arguments: [NATProfile.portRestricted, .doubleNAT, .fullCone])
    func guardsIPv6BehindANAT(profile: NATProfile) async throws {
        try await Lab.with { plan in
            plan.host("partner", families: .dual)
            plan.host("stranger", families: .dual)
            plan.host("inner", behind: profile, families: .dual)
        } _: { lab in
            let (partner, inner) = (try lab.host("partner"), try lab.host("inner"))
            let inside = try inner.udpSocket(port: 5000, ipv6: true)
            let outside = try partner.udpSocket(port: 7001, ipv6: true)
            let stranger = try lab.host("stranger").udpSocket(port: 7001, ipv6: true)
            try inside.send("out", to: LabEndpoint(try #require(partner.address6), 7001))
            let seen = try await outside.receive("out")
            #expect(seen == LabEndpoint(try #require(inner.address6), 5000))
            try stranger.send("question", to: seen)
            try outside.send("fence", to: seen)
            #expect(try await inside.texts(before: "fence").isEmpty)
        }
    }

    @Test func changesAnIPv6Address() async throws {
        try await Lab.with { plan in
            plan.host("partner", families: .ipv6)
            plan.host("inner", families: .ipv6)
        } _: { lab in
            let (partner, inner) = (try lab.host("partner"), try lab.host("inner"))
            let outside = try partner.udpSocket(port: 7001, ipv6: true)
            let before = inner.address
            for change in 0..<2 {
                let inside = try inner.udpSocket(ipv6: true)
                try inside.send("out", to: LabEndpoint(partner.address, 7001))
                let seen = try await outside.receive("out")
                #expect(seen.address == inner.address)
                try outside.send("back", to: seen)
                try await inside.receive("back")
                if change == 0 { try await inner.changeAddress() }
            }
            #expect(inner.address != before)
        }
    }

    @Test func keepsLaboratoriesApart() async throws {
        func plan(_ plan: inout LabPlan) {
            plan.host("one")
            plan.host("other")
        }
        try await Lab.with(plan) { first in
            try await Lab.with(plan) { second in
                let listener = try first.host("other").udpSocket(port: 6000)
                let same = try second.host("other").udpSocket(port: 6000)
                let destination = LabEndpoint(try first.host("other").address, 6000)
                try second.host("one").udpSocket().send("second", to: destination)
                try first.host("one").udpSocket().send("first", to: destination)
                try await listener.receive("first")
                try await same.receive("second")
                #expect(listener.datagrams.isEmpty)
            }
        }
    }
}
