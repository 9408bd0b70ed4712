/// What one module may import, and why.
struct ModuleRule: Sendable {
    /// Arrows point to a smaller layer only; modules of one layer may use each other as long as there is no cycle.
    enum Layer: Int, Comparable, Sendable {
        case system = 0
        case pure = 1
        case driver = 2
        case session = 3
        case program = 4

        static func < (a: Layer, b: Layer) -> Bool { a.rawValue < b.rawValue }
    }

    let module: String
    /// The folder of its sources, seen from the root of the repository.
    let folder: String
    let layer: Layer
    /// Modules of this package it may import.
    let own: Set<String>
    /// Modules from elsewhere it may import.
    let foreign: Set<String>
    let reason: String

    /// What is wrong with a source file of this module, one sentence each, in the form `file:line: sentence`.
    func violations(in source: String, file: String) -> [String] {
        ImportDeclaration.all(in: source)
            .filter { !own.contains($0.module) && !foreign.contains($0.module) && $0.module != "Swift" }
            .map { "\(file):\($0.line): \(module) must not import \($0.module). \(reason)" }
    }
}

/// The module graph: the one place where it is stated. A new module, or a new dependency of a module, is entered here
/// with its reason, or the tests fail.
enum ModuleGraph {
    private static let nio: Set<String> = ["NIOConcurrencyHelpers", "NIOCore", "NIOPosix"]
    private static let webSocket = nio.union(["NIOHTTP1", "NIOSSL", "NIOWebSocket"])
    private static let system: Set<String> = [
        "Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Synchronization",
    ]
    private static let pureReason = """
        It is pure: no sockets, clocks, tasks or files, so that every behaviour can be tested with bytes and numbers.
        """

    static let rules: [ModuleRule] = [
        // Pure.
        rule(
            "Noise", .pure, own: ["CSodium"], foreign: ["Crypto"],
            pureReason + " Crypto is there for ML-KEM-768 of hybrid handshakes, which libsodium does not have."),
        pure("Identity", ["CSodium", "Noise", "Wire"]),
        pure("Wire", []),
        pure("Paths", ["CSodium"]),
        pure("PortSearch", ["CSodium", "Paths", "Wire"]),
        rule(
            "Ratchet", .pure, own: ["CSodium", "Identity", "Noise", "Wire"], foreign: ["Crypto"],
            pureReason + " Crypto is there for ML-KEM-768, which libsodium does not have."),

        // Drivers.
        rule(
            "ICE", .driver, own: ["CNice", "CSodium", "CSotto", "Wire"],
            foreign: ["Glibc", "Synchronization"],
            "It drives libnice on a thread of its own, knows nothing of sessions, and needs no event loop."),
        rule(
            "PortMapping", .driver, own: ["CConfine", "CNATPMP", "Wire"],
            foreign: ["Dispatch", "Glibc", "Synchronization"],
            """
            It drives libnatpmp, PCP and the gateway helper's process on a queue of its own, because all of them block, and \
            knows of ports and addresses only.
            """),
        rule(
            "GatewayHelper", .driver, own: ["CConfine", "CMiniUPnP", "PortMapping", "Wire"], foreign: ["Glibc"],
            """
            It is a process of its own that everybody on the local network can talk to: it drives miniupnpc, and must have \
            nothing in it that knows of keys, files or sessions.
            """),
        rule(
            "SecureTransport", .driver,
            own: ["CMultiBuffer", "CNGTCP2", "COpenSSL", "CSodium", "CSotto", "Identity", "Noise", "Paths"],
            foreign: ["Glibc"],
            "It drives ngtcp2 and does no input or output itself: packets come and go as arguments."),
        rule(
            "SignalingClient", .driver, own: ["Identity", "Wire"],
            foreign: webSocket.union(["Dispatch", "Glibc", "Logging"]),
            "It drives one WebSocket connection, and what the frames mean is Wire's."),

        rule(
            "Vault", .driver, own: ["CSodium", "Identity", "Noise", "Wire"],
            foreign: ["Dispatch", "Foundation", "GRDB", "Glibc", "NIOConcurrencyHelpers"],
            "It drives the database and seals what goes in; ratchets and messages are bytes and records to it."),

        // Sessions with peers.
        rule(
            "Peering", .session,
            own: [
                "ICE", "Identity", "Noise", "Paths", "PortMapping", "PortSearch", "SecureTransport", "SignalingClient",
                "Wire",
            ],
            foreign: nio.union(["Logging", "Synchronization"]),
            "It joins the drivers; C libraries are the drivers' business, files and screens the callers'."),
        rule(
            "Messenger", .session,
            own: [
                "CSodium", "ICE", "Identity", "Noise", "Paths", "Peering", "PortMapping", "Ratchet", "SignalingClient",
                "Vault", "Wire",
            ],
            foreign: nio.union(system).union(["Logging"]),
            "It joins what is said to what is stored, on top of Peering: sessions and packets are none of its business."
        ),

        // Programs.
        rule(
            "sotto", .program,
            own: ["CQREncode", "GatewayHelper", "Identity", "Messenger", "Noise", "PortMapping", "Vault", "Wire"],
            foreign: system.union(["ArgumentParser", "Logging", "NIOConcurrencyHelpers"]),
            """
            Front ends go through Messenger, so that each of them can do the same; Noise is there for wiped memory, Vault for its \
            records and errors, PortMapping for what it says of the router, GatewayHelper because the program is that, too.
            """
        ),
        rule(
            "SignalingServer", .session, folder: "signaling/Sources/SignalingServer",
            own: ["CSodium", "Identity", "Wire"],
            foreign: webSocket.union(system).union(["Crypto", "GRDB", "Logging", "ServiceLifecycle"]),
            """
            The server knows frames and signatures, and has no code that could open what it relays or keeps; GRDB is there \
            for the mailbox, whose envelopes it never looks into.
            """),
        rule(
            "sotto-signal", .program, folder: "signaling/Sources/sotto-signal", own: ["SignalingServer", "Wire"],
            foreign: system.union([
                "ArgumentParser", "Configuration", "Logging", "NIOCore", "ServiceLifecycle", "SystemPackage",
                "UnixSignals",
            ]),
            "It reads flags and starts the server, which is a library so that tests can start it, too."),
        rule(
            "sotto-signal-load", .program, folder: "signaling/Sources/sotto-signal-load",
            own: ["Identity", "Noise", "Wire"],
            foreign: nio.union(system).union(["ArgumentParser", "Histogram", "NIOSSL"]),
            "It speaks to a server from outside, as cheaply as it can, and so shares nothing with server or client but the frames."
        ),
        rule(
            "sotto-demo", .program, folder: "Tests/Demo", own: ["NATLab", "TestTools"], foreign: system,
            "It shows the programs as they are, from outside, and so uses none of their modules."),

        // Fuzzing.
        rule(
            "FuzzTargets", .session, folder: "Tests/FuzzTests/Targets",
            own: ["Identity", "Noise", "Paths", "Ratchet", "SecureTransport", "SignalingServer", "Wire"],
            foreign: ["NIOCore", "NIOWebSocket"],
            "It calls what reads bytes from outside, and needs nothing else."),
        rule(
            "Fuzzer", .program, folder: "Tests/Fuzzer", own: ["CSodium", "FuzzTargets"], foreign: ["Glibc"],
            "It is the door through which libFuzzer comes in."),

        // The vault under test.
        rule(
            "VaultWriter", .program, folder: "Tests/VaultWriter", own: ["Identity", "Noise", "Vault"],
            foreign: ["Foundation"],
            "It is the other process of the vault's tests: one that can be killed, and one that shares the file."),

        // The mailbox under load.
        rule(
            "SessionLoopback", .program, folder: "Benchmarks/SessionLoopback",
            own: ["CSessionLoopback", "Noise", "Paths", "SecureTransport"], foreign: ["Glibc"],
            "It measures sessions over sockets of the loopback."),
        rule(
            "CongestionControl", .program, folder: "Benchmarks/CongestionControl",
            own: ["Noise", "Paths", "SecureTransport"], foreign: [],
            "It measures congestion control in virtual time."),
        rule(
            "MailboxBench", .program, folder: "Tests/MailboxBench", own: ["Identity", "SignalingClient", "Wire"],
            foreign: nio.union(["Foundation", "Logging"]),
            "It is a client like others, many at once, and sees the server from outside."),

        // A direct path under load.
        rule(
            "DataPlaneBench", .program, folder: "Tests/DataPlaneBench",
            own: ["ICE", "Identity", "NATLab", "Paths", "Peering", "SignalingClient", "SignalingServer", "Wire"],
            foreign: nio.union(["Foundation", "Logging"]),
            "It measures what carries sessions, below what people say through them."),

        // Sessions on long paths.
        rule(
            "PathBench", .program, folder: "Tests/PathBench",
            own: ["ICE", "Identity", "NATLab", "Paths", "Peering", "SignalingClient", "Wire"],
            foreign: nio.union(["Foundation", "Logging"]),
            "It is two peers with nothing above their session, on both ends of a long link."),

        // What tests need whatever they test.
        rule(
            "TestTools", .driver, folder: "Tests/TestTools", own: ["CTestTools"],
            foreign: ["Dispatch", "Foundation", "NIOConcurrencyHelpers"],
            "It starts programs, keeps folders and events, and watches deadlines for tests, and knows nothing of what is tested."
        ),

        // Peers under test, without NATs.
        rule(
            "PeerLab", .program, folder: "Tests/PeerLab",
            own: [
                "Identity", "Messenger", "Paths", "Ratchet", "SecureTransport", "SignalingClient", "SignalingServer",
                "TestTools", "Vault", "Wire",
            ],
            foreign: nio.union(system).union(["Logging"]),
            "It puts messengers, a server and peers that break the rules into one process."),

        // The laboratory.
        rule(
            "NATLab", .driver, folder: "Tests/NATLab", own: ["CNATLab"],
            foreign: system,
            "The laboratory builds networks. It must not share a mistake with what is tested in it."),
        rule(
            "NATLabTests", .program, folder: "Tests/NATLabTests", own: ["NATLab"],
            foreign: system.union(["Testing"]),
            "It tests the laboratory with plain sockets, before anything of Sotto is tested in it."),
        rule(
            "NATMatrixTests", .program, folder: "Tests/NATMatrixTests", own: ["NATLab", "TestTools"],
            foreign: system.union(["Testing"]),
            "It runs the real programs, which are reached by their command lines only."),
        rule(
            "ChaosLab", .session, folder: "Tests/ChaosLab", own: ["NATLab", "TestTools"],
            foreign: nio.union(system),
            "It runs the real programs and judges them from outside: of formats it knows what a script knows, and WebSocket frames."
        ),
        rule(
            "sotto-chaos", .program, folder: "Tests/Chaos", own: ["ChaosLab", "NATLab"], foreign: system,
            "It is the command line of the chaos test."),
        rule(
            "ChaosTests", .program, folder: "Tests/ChaosTests", own: ["ChaosLab", "NATLab", "TestTools"],
            foreign: system.union(["Testing"]),
            "It runs the chaos test for a short while, and tests its parts."),
        rule(
            "CommandLineTests", .program, folder: "Tests/CommandLineTests", own: ["NATLab", "TestTools"],
            foreign: system.union(["Testing"]),
            "It uses the real programs as people and scripts do; what it knows of formats it states a second time."),
    ]

    /// System libraries and C targets: no Swift sources of their own.
    static let cModules: Set<String> = [
        "CConfine", "CMiniUPnP", "CMultiBuffer", "CNATLab", "CNATPMP", "CNGTCP2", "CNice", "COpenSSL", "CQREncode",
        "CSessionLoopback", "CSodium", "CSotto", "CTestTools",
    ]

    /// Libraries that exactly one module may use, whatever else changes: everybody else uses that module.
    static let soleUsers = [
        "CMiniUPnP": "GatewayHelper", "CMultiBuffer": "SecureTransport", "CNATLab": "NATLab", "CNATPMP": "PortMapping",
        "CNGTCP2": "SecureTransport", "CNice": "ICE", "COpenSSL": "SecureTransport", "CQREncode": "sotto",
        "CTestTools": "TestTools",
    ]

    static func rule(for module: String) -> ModuleRule? {
        rules.first { $0.module == module }
    }

    private static func pure(_ module: String, _ own: Set<String>) -> ModuleRule {
        rule(module, .pure, own: own, foreign: [], pureReason)
    }

    private static func rule(
        _ module: String, _ layer: ModuleRule.Layer, folder: String? = nil, own: Set<String>, foreign: Set<String>,
        _ reason: String
    ) -> ModuleRule {
        ModuleRule(
            module: module, folder: folder ?? "Sources/\(module)", layer: layer, own: own, foreign: foreign,
            reason: reason)
    }
}
