import Testing

/// Inputs that broke something once, each with what it was.
@Suite struct FindingTests {
    struct Finding: Sendable, CustomTestStringConvertible {
        let target: String
        let what: String
        let input: [UInt8]

        var testDescription: String { what }
    }

    private static let findings = [
        Finding(
            target: "session-peer",
            what: "HANDSHAKE_DONE before the caller has confirmed made ngtcp2 follow a null pointer",
            input: [1, 0, 1, 0x1E, 5, 3, 3, 2, 10])
    ]

    @Test(arguments: findings)
    func stayFixed(finding: Finding) throws {
        let target = try #require(FuzzTarget.named(finding.target))
        try target.run(finding.input)
    }
}
