import Testing

/// The rules are worth what the reading of the sources is worth.
@Suite struct ImportScanningTests {
    @Test(arguments: [
        ("import Foundation", ["Foundation"]),
        ("  package import Wire", ["Wire"]),
        ("@testable import sotto", ["sotto"]),
        ("@preconcurrency public import NIOCore", ["NIOCore"]),
        ("@_spi(Testing) import NIOPosix", ["NIOPosix"]),
        ("import struct Foundation.URL", ["Foundation"]),
        ("import class Dispatch.DispatchQueue; import Glibc", ["Dispatch", "Glibc"]),
        ("import Foundation // for Date", ["Foundation"]),
        ("import /* quiet */ Foundation", ["Foundation"]),
        ("#if canImport(Glibc)\nimport Glibc\n#endif", ["Glibc"]),
        ("// import Foundation", []),
        ("/* import A /* import B */\nimport C */ import D", ["D"]),
        ("let text = \"\"\"\nimport Foundation\n\"\"\"\nimport Wire", ["Wire"]),
        ("let text = #\"\"\"\nimport A \\(\"\n\"\"\"#\nimport B", ["B"]),
        ("let text = \"\\(join(\"(\", \")\"))\"\nimport B", ["B"]),
        ("let quote = \"\\\"\"\nimport B", ["B"]),
        ("let important = 1\nimportFrom(a)", []),
    ])
    func findsImports(source: String, modules: [String]) {
        #expect(ImportDeclaration.all(in: source).map(\.module) == modules)
    }

    @Test func countsLines() {
        #expect(
            ImportDeclaration.all(in: "/* a\n b */\n\nimport C\n") == [ImportDeclaration(module: "C", line: 4)])
    }

    @Test func namesFileLineAndReason() throws {
        let wire = try #require(ModuleGraph.rule(for: "Wire"))
        let found = wire.violations(in: "import Swift\nimport Glibc\n", file: "Sources/Wire/A.swift")
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("Sources/Wire/A.swift:2: Wire must not import Glibc. It is pure") == true)
    }

    @Test(arguments: [
        ("Wire", "import Foundation"), ("Noise", "import NIOCore"), ("Paths", "import Synchronization"),
        ("Messenger", "import SecureTransport"), ("Peering", "import CNGTCP2"), ("SignalingServer", "import Noise"),
        ("sotto", "import Peering"), ("NATLab", "import Wire"),
    ])
    func refuses(module: String, source: String) throws {
        let rule = try #require(ModuleGraph.rule(for: module))
        #expect(rule.violations(in: source, file: "A.swift").count == 1)
    }
}
