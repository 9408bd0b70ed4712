import Testing
import Wire

@testable import PortMapping

struct HelperMessageTests {
    static let requests: [(HelperRequest, String)] = [
        (.find(gateway: .v4(192, 168, 1, 1), local: .v4(192, 168, 1, 20)), "find 192.168.1.1 192.168.1.20\n"),
        (.map(port: 40_000, external: 65_535, seconds: 600), "map 40000 65535 600\n"),
        (.delete(external: 1), "delete 1\n"),
    ]
    static let answers: [(HelperAnswer, String)] = [
        (.found(external: .v4(203, 0, 113, 5)), "found 203.0.113.5\n"),
        (.none, "none\n"),
        (
            .mapped(Endpoint(address: .v4(203, 0, 113, 5), port: 50_000), seconds: .max),
            "mapped 203.0.113.5 50000 4294967295\n"
        ),
        (.deleted, "deleted\n"),
        (.failed(code: 718), "failed 718\n"),
    ]

    @Test(arguments: requests)
    func requestsAreTheseLines(request: HelperRequest, line: String) {
        #expect(request.line == line)
        #expect(HelperRequest(line: line.utf8.dropLast()) == request)
        #expect(line.utf8.count <= HelperLine.maximumLength)
    }

    @Test(arguments: answers)
    func answersAreTheseLines(answer: HelperAnswer, line: String) {
        #expect(answer.line == line)
        #expect(HelperAnswer(line: line.utf8.dropLast()) == answer)
        #expect(line.utf8.count <= HelperLine.maximumLength)
    }

    @Test(arguments: [
        "", " ", "found", "found ", "found 203.0.113.5 ", " found 203.0.113.5", "found  203.0.113.5",
        "found 203.0.113.5\n",
        "found 203.0.113.05", "found 203.0.113.256", "found ::1", "found localhost", "Found 203.0.113.5", "none 1",
        "found 203.0.113.5 203.0.113.6", "mapped 203.0.113.5 0 600", "mapped 203.0.113.5 65536 600",
        "mapped 203.0.113.5 050000 600", "mapped 203.0.113.5 +5 600", "mapped 203.0.113.5 -5 600",
        "mapped 203.0.113.5 50000 4294967296", "mapped 203.0.113.5 50000", "mapped 203.0.113.5 50000 600 1",
        "failed", "failed 65536", "failed x", "deleted 1", "find 1.2.3.4 5.6.7.8", "found 203.0.113.5\u{0}",
        "found\t203.0.113.5", "found ２０３.0.113.5", String(repeating: "f", count: 100_000),
    ])
    func nothingElseIsAnAnswer(line: String) {
        #expect(HelperAnswer(line: line.utf8) == nil)
    }

    @Test(arguments: [
        "", "find", "find 192.168.1.1", "find ::1 ::1", "find a b", "map 0 1 1", "map 1 0 1", "map 1 1", "delete 0",
        "delete", "delete 1 2", "none", "map 1 1 1 1", "map 1 1 -1",
    ])
    func nothingElseIsARequest(line: String) {
        #expect(HelperRequest(line: line.utf8) == nil)
    }

    /// Whatever one byte is changed to: refused, or read as what writes itself the same way.
    @Test func survivesPerturbation() {
        for line in (Self.requests.map(\.1) + Self.answers.map(\.1)).map({ Array($0.utf8.dropLast()) }) {
            for index in line.indices {
                for byte in UInt8.min...UInt8.max {
                    var changed = line
                    changed[index] = byte
                    if let answer = HelperAnswer(line: changed) { #expect(Array(answer.line.utf8) == changed + [10]) }
                    if let request = HelperRequest(line: changed) {
                        #expect(Array(request.line.utf8) == changed + [10])
                    }
                }
            }
        }
    }
}
