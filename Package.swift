// swift-tools-version: 6.1
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: strict)
}

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioConcurrency: Target.Dependency = .product(name: "NIOConcurrencyHelpers", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioWebSocket: Target.Dependency = .product(name: "NIOWebSocket", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration: Target.Dependency = .product(name: "Configuration", package: "swift-configuration")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let histogram: Target.Dependency = .product(name: "Histogram", package: "hdrhistogram-swift")
let unixSignals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")

// Intel's library has its own instruction set only; CMultiBuffer offers nothing elsewhere.
#if arch(x86_64)
    let multiBuffer: [LinkerSetting] = [.linkedLibrary("IPSec_MB")]
#else
    let multiBuffer: [LinkerSetting] = []
#endif

let package = Package(
    name: "sotto",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "sotto", targets: ["sotto"]),
        .executable(name: "sotto-signal", targets: ["sotto-signal"]),
    ],
    dependencies: [
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // 0: system libraries, and the C that Swift cannot say.
        .systemLibrary(name: "CNice", pkgConfig: "nice", providers: [.apt(["libnice-dev"])]),
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CNGTCP2", pkgConfig: "libngtcp2", providers: [.apt(["libngtcp2-dev"])]),
        .systemLibrary(name: "CNATPMP", providers: [.apt(["libnatpmp-dev"])]),
        .systemLibrary(name: "CMiniUPnP", pkgConfig: "miniupnpc", providers: [.apt(["libminiupnpc-dev"])]),
        .systemLibrary(name: "CQREncode", pkgConfig: "libqrencode", providers: [.apt(["libqrencode-dev"])]),
        .target(name: "CSotto", dependencies: ["CNice"]),
        .target(name: "CConfine"),
        .target(name: "CMultiBuffer", dependencies: ["COpenSSL"], linkerSettings: multiBuffer),

        // 1: pure. No sockets, clocks, tasks or Foundation.
        library("Noise", ["CSodium", crypto]),
        library("Identity", ["CSodium", "Noise", "Wire"]),
        library("Wire", []),
        library("Paths", ["CSodium"]),
        library("PortSearch", ["CSodium", "Paths", "Wire"]),
        library("Ratchet", ["CSodium", "Identity", "Noise", "Wire", crypto]),

        // 2: drivers, one outside thing each.
        library("ICE", ["CNice", "CSodium", "CSotto", "Wire"]),
        library("PortMapping", ["CConfine", "CNATPMP", "Wire"]),
        library("GatewayHelper", ["CConfine", "CMiniUPnP", "PortMapping", "Wire"]),
        library(
            "SecureTransport",
            ["CMultiBuffer", "CNGTCP2", "COpenSSL", "CSodium", "CSotto", "Identity", "Noise", "Paths"]),
        library(
            "SignalingClient",
            ["Identity", "Wire", logging, nioConcurrency, nioCore, nioHTTP1, nioPosix, nioSSL, nioWebSocket]),
        library("Vault", ["CSodium", "Identity", "Noise", "Wire", grdb, nioConcurrency]),

        // 3: sessions with peers, and what people say through them.
        library(
            "Peering",
            [
                "ICE", "Identity", "Noise", "Paths", "PortMapping", "PortSearch", "SecureTransport", "SignalingClient",
                "Wire", logging, nioCore, nioPosix,
            ]),
        library(
            "Messenger",
            ["CSodium", "Identity", "Noise", "Peering", "PortMapping", "Ratchet", "Vault", "Wire", logging, nioCore]),

        // 4: front ends.
        .executableTarget(
            name: "sotto",
            dependencies: [
                "CQREncode", "CSodium", "GatewayHelper", "Identity", "Messenger", "Noise", "Paths", "Peering",
                "PortMapping", "SignalingClient", "Vault", "Wire", argumentParser, logging, nioConcurrency, nioPosix,
            ],
            swiftSettings: strict),

        // The server.
        .target(
            name: "SignalingServer",
            dependencies: [
                "Identity", "Wire", crypto, grdb, logging, nioConcurrency, nioCore, nioHTTP1, nioPosix, nioSSL,
                nioWebSocket,
            ],
            path: "signaling/Sources/SignalingServer", swiftSettings: strict),
        .executableTarget(
            name: "sotto-signal",
            dependencies: [
                "SignalingServer", "Wire", argumentParser, configuration, logging, nioCore, systemPackage, unixSignals,
            ],
            path: "signaling/Sources/sotto-signal", swiftSettings: strict),
        .executableTarget(
            name: "sotto-signal-load",
            dependencies: ["Identity", "Noise", "Wire", argumentParser, histogram, nioCore, nioPosix, nioSSL],
            path: "signaling/Sources/sotto-signal-load", swiftSettings: strict),

        // Tests: one target per module, what several of them need, and the laboratory.
        .target(name: "CTestTools", path: "Tests/CTestTools"),
        .target(
            name: "TestTools", dependencies: ["CTestTools", nioConcurrency], path: "Tests/TestTools",
            swiftSettings: strict),
        tests("NoiseTests", ["Noise", "TestTools"], resources: [.copy("Vectors")]),
        tests("IdentityTests", ["Identity", "Noise", "Wire"]),
        tests("WireTests", ["TestTools", "Wire"]),
        tests("PathsTests", ["Paths"]),
        .executableTarget(name: "confinement-probe", dependencies: ["CConfine"], path: "Tests/ConfinementProbe"),
        tests("PortMappingTests", ["GatewayHelper", "PortMapping", "TestTools", "Wire", "confinement-probe"]),
        tests("PortSearchTests", ["Paths", "PortSearch", "Wire"]),
        tests(
            "RatchetTests", ["Ratchet", "Identity", "Noise", "TestTools", "Wire", nioConcurrency],
            resources: [.copy("Vectors")]),
        tests("ICETests", ["CNice", "CSotto", "ICE", "TestTools", "Wire"]),
        .executableTarget(
            name: "vault-writer", dependencies: ["Identity", "Noise", "Vault"], path: "Tests/VaultWriter",
            swiftSettings: strict),
        tests("VaultTests", ["NATLab", "Vault", "vault-writer", "CSodium", "Identity", "Noise", grdb, nioConcurrency]),
        tests("SecureTransportTests", ["SecureTransport", "Identity", "Noise", "Paths", "TestTools"]),
        tests(
            "SignalingTests",
            [
                "SignalingServer", "SignalingClient", "sotto-signal", "Identity", "TestTools", "Wire", argumentParser,
                grdb, logging, nioConcurrency, nioCore, nioPosix,
            ]),
        .executableTarget(
            name: "mailbox-bench",
            dependencies: ["Identity", "SignalingClient", "Wire", logging, nioConcurrency, nioCore, nioPosix],
            path: "Tests/MailboxBench", swiftSettings: strict),
        .target(name: "CSessionLoopback", path: "Benchmarks/CSessionLoopback"),
        .executableTarget(
            name: "session-loopback", dependencies: ["CSessionLoopback", "Noise", "Paths", "SecureTransport"],
            path: "Benchmarks/SessionLoopback", swiftSettings: strict),
        .executableTarget(
            name: "congestion-control", dependencies: ["Noise", "Paths", "SecureTransport"],
            path: "Benchmarks/CongestionControl", swiftSettings: strict),
        .executableTarget(
            name: "data-plane-bench",
            dependencies: [
                "ICE", "Identity", "NATLab", "Paths", "Peering", "SignalingClient", "SignalingServer", "Wire", logging,
                nioCore, nioPosix,
            ],
            path: "Tests/DataPlaneBench", swiftSettings: strict),
        .executableTarget(
            name: "path-bench",
            dependencies: [
                "ICE", "Identity", "NATLab", "Paths", "Peering", "SignalingClient", "Wire", logging, nioCore, nioPosix,
            ],
            path: "Tests/PathBench", swiftSettings: strict),
        .target(
            name: "PeerLab",
            dependencies: [
                "Identity", "Messenger", "Paths", "Ratchet", "SecureTransport", "SignalingClient", "SignalingServer",
                "TestTools", "Vault", "Wire", logging, nioConcurrency, nioCore, nioPosix,
            ],
            path: "Tests/PeerLab", swiftSettings: strict),
        tests(
            "PeeringTests",
            [
                "PeerLab", "Peering", "ICE", "Identity", "Paths", "PortSearch", "SecureTransport", "SignalingClient",
                "SignalingServer", "TestTools", "Wire", nioConcurrency, nioCore, nioPosix,
            ]),
        tests(
            "MessengerTests",
            [
                "CSodium", "Messenger", "PeerLab", "Identity", "Noise", "Paths", "Ratchet", "SecureTransport",
                "SignalingServer", "TestTools", "Vault", "Wire", nioConcurrency, nioCore, nioPosix,
            ]),
        tests("SottoTests", ["sotto", "Identity", "Messenger", "TestTools", "Vault", "Wire", argumentParser]),
        tests("ArchitectureTests", ["TestTools"]),
        .target(name: "CNATLab", path: "Tests/CNATLab"),
        .target(name: "NATLab", dependencies: ["CNATLab"], path: "Tests/NATLab", swiftSettings: strict),
        .executableTarget(
            name: "sotto-demo", dependencies: ["NATLab", "TestTools"], path: "Tests/Demo", swiftSettings: strict),
        tests("NATLabTests", ["NATLab"]),
        .target(
            name: "ChaosLab", dependencies: ["NATLab", "TestTools", nioConcurrency, nioCore, nioPosix],
            path: "Tests/ChaosLab", swiftSettings: strict),
        .executableTarget(
            name: "sotto-chaos", dependencies: ["ChaosLab", "NATLab"], path: "Tests/Chaos", swiftSettings: strict),
        tests("ChaosTests", ["ChaosLab", "NATLab", "TestTools", "sotto", "sotto-signal", "sotto-chaos"]),
        tests("NATMatrixTests", ["NATLab", "TestTools"]),
        tests("CommandLineTests", ["NATLab", "TestTools", "sotto", "sotto-signal"]),
    ]
)

// The fuzz targets are part of the tests, because they look inside the modules, which only a build for testing allows. For
// the fuzzer they are a library instead: it needs libFuzzer's main and is optimised. See scripts/fuzz.
let fuzzed: [Target.Dependency] = [
    "Identity", "Noise", "Paths", "Ratchet", "SecureTransport", "SignalingServer", "Wire", nioCore, nioWebSocket,
]
if Context.environment["SOTTO_FUZZ"] == nil {
    package.targets.append(tests("FuzzTests", fuzzed, resources: [.copy("Corpus")]))
} else {
    package.targets += [
        .target(name: "FuzzTargets", dependencies: fuzzed, path: "Tests/FuzzTests/Targets", swiftSettings: strict),
        .executableTarget(
            name: "sotto-fuzzer", dependencies: ["CSodium", "FuzzTargets"], path: "Tests/Fuzzer",
            swiftSettings: strict),
    ]
}
