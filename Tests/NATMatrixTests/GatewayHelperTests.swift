import NATLab
import Testing

/// The process that speaks UPnP-IGD, by itself, on a local network with an honest router, a false one, and other devices that claim to be one.
@Suite(
    .enabled(if: Programs.areReady, "\(Programs.obstacle)"),
    .enabled(if: PortMappingDaemon.available.contains(.standIn), "no python3: UPnP-IGD is NOT tested"))
struct GatewayHelperTests {
    /// A home with a router, alice, and mallory, who may be any device.
    private struct Home {
        let lab: Lab
        let alice: LabHost
        let mallory: LabHost
        var site: LabSite { alice.site }

        static func with(_ body: (Home) async throws -> Void) async throws {
            try await Lab.with {
                $0.site("home", behind: .symmetric, hosts: ["alice", "mallory"])
            } _: { lab in
                try await body(Home(lab: lab, alice: try lab.host("alice"), mallory: try lab.host("mallory")))
            }
        }

        func helper() throws -> LabProcess {
            try alice.spawn(Programs.sotto, ["--gateway-helper"])
        }

        /// Puts a question, and waits for the answer.
        func ask(_ helper: LabProcess, _ question: String) async throws -> String {
            try helper.write(question + "\n")
            return try await helper.nextLine(within: .seconds(60)).text
        }

        var search: String {
            let own = alice.address4 ?? ""
            let gateway = own.split(separator: ".").dropLast().joined(separator: ".") + ".1"
            return "find \(gateway) \(own)"
        }
    }

    @Test(arguments: PortMappingDaemon.available)
    func mapsRenewsAndDeletes(daemon: PortMappingDaemon) async throws {
        try await Home.with { home in
            try await home.site.startPortMapping(daemon, speaking: .upnp)
            let helper = try home.helper()
            let found = try await home.ask(helper, home.search)
            #expect(found.hasPrefix("found 11.0.0."))
            let external = found.split(separator: " ").last ?? ""
            for _ in 0..<2 {
                #expect(try await home.ask(helper, "map 40000 50000 600") == "mapped \(external) 50000 600")
                #expect(try await home.site.portMappings().count == 1)
            }
            #expect(try await home.ask(helper, "delete 50000") == "deleted")
            #expect(try await home.site.portMappings().isEmpty)
            // What it holds when nobody asks any more is deleted, too.
            _ = try await home.ask(helper, "map 40000 50000 600")
            _ = try await home.ask(helper, "map 40001 50001 600")
            #expect(try await home.site.portMappings().count == 2)
            helper.closeInput()
            #expect(try await helper.exit(within: .seconds(30)).succeeded)
            #expect(try await home.site.portMappings().isEmpty)
        }
    }

    @Test func takesAPermanentLeaseWhereThereIsNoOtherAndEndsIt() async throws {
        try await Home.with { home in
            try await home.site.startPortMapping(.standIn, speaking: .upnp, .permanentLeasesOnly)
            let helper = try home.helper()
            _ = try await home.ask(helper, home.search)
            #expect(try await home.ask(helper, "map 40000 50000 600").hasSuffix(" 50000 0"))
            helper.closeInput()
            #expect(try await helper.exit(within: .seconds(30)).succeeded)
            #expect(try await home.site.portMappings().isEmpty)
        }
    }

    @Test func takesAnotherPortWhereTheFirstBelongsToSomebodyElse() async throws {
        try await Home.with { home in
            try await home.site.startPortMapping(.standIn, speaking: .upnp, .firstPortIsTaken)
            let helper = try home.helper()
            _ = try await home.ask(helper, home.search)
            let words = try await home.ask(helper, "map 40000 50000 600").split(separator: " ")
            #expect(words.count == 4 && words[0] == "mapped" && words[2] != "50000" && words[3] == "600")
        }
    }

    // MARK: Attacks

    @Test func aDeviceThatIsNotTheGatewayIsNotSpokenTo() async throws {
        try await Home.with { home in
            let device = try await home.mallory.startStandInIGD()
            let capture = try home.alice.capture()
            let helper = try home.helper()
            #expect(try await home.ask(helper, home.search) == "none")
            try expectNotFetched(device, capture, home)
        }
    }

    @Test func aDeviceDoesNotHideTheGateway() async throws {
        try await Home.with { home in
            let device = try await home.mallory.startStandInIGD()
            try await home.site.startPortMapping(.standIn, speaking: .upnp)
            let capture = try home.alice.capture()
            let helper = try home.helper()
            #expect(try await home.ask(helper, home.search).hasPrefix("found 11.0.0."))
            try expectNotFetched(device, capture, home)
        }
    }

    enum Lie: CaseIterable { case location, control, base }

    @Test(arguments: Lie.allCases)
    func whatThePointersOfAGatewayLeadToIsNotFetched(lie: Lie) async throws {
        try await Home.with { home in
            let device = try await home.mallory.startStandInIGD()
            let habit: StandInIGD.Habit =
                switch lie {
                case .location: .pointsTo(home.mallory)
                case .control: .controlledAt(home.mallory)
                case .base: .basedAt(home.mallory)
                }
            let gateway = try await home.site.startPortMapping(.standIn, speaking: .upnp, habit)
            let capture = try home.alice.capture()
            let helper = try home.helper()
            #expect(try await home.ask(helper, home.search) == "none")
            try expectNotFetched(device, capture, home)
            #expect(gateway.lines.contains { $0.text == "SEARCH" })
            #expect(gateway.lines.contains { $0.text.hasPrefix("GET") } == (lie != .location))
            #expect(!gateway.lines.contains { $0.text.hasPrefix("POST") })
        }
    }

    @Test func aDescriptionWithoutEndIsCutOff() async throws {
        try await Home.with { home in
            let gateway = try await home.site.startPortMapping(.standIn, speaking: .upnp, .endless)
            let helper = try home.helper()
            #expect(try await home.ask(helper, home.search) == "none")
            #expect(gateway.lines.contains { $0.text.hasPrefix("GET") })
            #expect(helper.isRunning)
        }
    }

    @Test func aGatewayThatDoesNotAnswerIsGivenUp() async throws {
        try await Home.with { home in
            let gateway = try await home.site.startPortMapping(.standIn, speaking: .upnp, .mute)
            let helper = try home.helper()
            #expect(try await home.ask(helper, home.search) == "none")
            #expect(gateway.lines.contains { $0.text.hasPrefix("GET") })
        }
    }

    @Test(arguments: ["find 1.2.3.4", "rm -rf", "map 0 0 0", String(repeating: "a", count: 200), "\u{1b}[2J"])
    func aQuestionThatIsNoneEndsIt(question: String) async throws {
        try await Home.with { home in
            let helper = try home.helper()
            try helper.write(question + "\n")
            #expect(try await helper.exit(within: .seconds(30)).succeeded)
            #expect(helper.lines.isEmpty)
        }
    }

    /// - Parameter device: was asked by multicast like everybody, answered, and heard no more.
    private func expectNotFetched(_ device: LabProcess, _ capture: PacketCapture, _ home: Home) throws {
        #expect(device.lines.contains { $0.text == "SEARCH" })
        #expect(!device.lines.contains { $0.text.hasPrefix("GET") || $0.text.hasPrefix("POST") })
        #expect(capture.lostPackets == 0)
        let mallory = home.mallory.address4
        #expect(!capture.packets.contains { $0.isOutgoing && $0.destination.address == mallory })
    }
}
