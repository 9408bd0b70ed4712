import Foundation
import TestTools
import Testing
import Wire

@testable import PortMapping

/// What a helper may do to the program: nothing. The helpers are shell scripts.
struct HelperProcessTests {
    private static let question = HelperRequest.delete(external: 1)
    private static let long: Int64 = 120_000

    private static func command(_ script: String, _ argument: String = "") -> HelperCommand {
        HelperCommand(path: "/bin/sh", arguments: ["sh", "-c", script, "sh", argument])
    }

    private static func start(_ script: String) throws -> HelperProcess {
        try #require(HelperProcess(command(script)))
    }

    /// Reaped: no such process, not even a dead one.
    private static func isGone(_ process: pid_t) -> Bool { kill(process, 0) == -1 && errno == ESRCH }

    @Test func answersOneQuestionAfterTheOther() throws {
        let helper = try Self.start("while read -r verb port; do [ $verb $port = 'delete 1' ]; echo failed 7; done")
        for _ in 0..<20 { #expect(helper.ask(Self.question, within: Self.long) == .failed(code: 7)) }
    }

    @Test(arguments: [
        "exit 3", "kill -9 $$", "read -r line; exit 0", "read -r line; kill -11 $$",
        "read -r line; printf 'deleted'; exit 0", "read -r line; echo nonsense; read -r line",
        "read -r line; printf 'deleted\\ndeleted\\n'; read -r line", "read -r line; printf '\\n'; read -r line",
        "echo deleted; read -r line; read -r line", "read -r line; exec cat /dev/zero",
        "while :; do echo deleted; done", "read -r line; while :; do echo rubbish rubbish rubbish; done",
        "read -r line; printf 'deleted\\0\\n'; read -r line", "exec <&-; exec >&-; exec sleep 1000",
    ])
    func whatIsNoAnswerEndsIt(script: String) throws {
        let helper = try Self.start(script)
        // What is said unasked may come just after the question; then a later one finds it out.
        var questions = 1
        while helper.ask(Self.question, within: Self.long) != nil, questions < 10_000 { questions += 1 }
        #expect(questions < 10_000)
        #expect(Self.isGone(helper.process))
    }

    @Test(arguments: [
        "exec sleep 1000", "read -r line; exec sleep 1000", "trap '' TERM INT; read -r line; read -r line",
    ])
    func oneThatHangsIsKilled(script: String) throws {
        let helper = try Self.start(script)
        #expect(helper.ask(Self.question, within: 100) == nil)
        #expect(Self.isGone(helper.process))
        #expect(helper.ask(Self.question, within: Self.long) == nil)
    }

    @Test func aProgramThatIsNotThereIsNoHelper() {
        let helper = HelperProcess(HelperCommand(path: "/nonexistent/helper", arguments: ["helper"]))
        #expect(helper == nil)
    }

    /// No descriptor but its own three, no environment, no terminal of ours.
    @Test func inheritsNothing() throws {
        let opened = (0..<8).map { _ in dup(STDIN_FILENO) }
        defer { for descriptor in opened { close(descriptor) } }
        let numbers = (3...max(64, Int(opened.max() ?? 0))).map(String.init).joined(separator: " ")
        let helper = try Self.start(
            """
            read -r line
            count=$(cat /proc/$$/environ | wc -c)
            for number in \(numbers); do [ -e /proc/$$/fd/$number ] && count=$((count + 1)); done
            read -r process name state parent group session rest < /proc/$$/stat
            [ $session = $$ ] || count=$((count + 1))
            echo failed $count
            """)
        #expect(helper.ask(Self.question, within: Self.long) == .failed(code: 0))
    }

    @Test func oneThatIsFinishedHasTheTimeToTidyUp() throws {
        let folder = try TemporaryFolder("helper")
        let file = folder.file("tidy")
        let script = "while read -r line; do echo deleted; done; echo tidy > \"$1\""
        let helper = try #require(HelperProcess(Self.command(script, file)))
        #expect(helper.ask(Self.question, within: Self.long) == .deleted)
        helper.finish(within: Self.long)
        #expect(FileManager.default.fileExists(atPath: file))
        // Idempotent, and nothing is asked any more.
        helper.finish(within: Self.long)
        #expect(helper.ask(Self.question, within: Self.long) == nil)
    }

    @Test func whoNoLongerWaitsLeavesItToTidyUp() async throws {
        let folder = try TemporaryFolder("helper")
        let file = folder.file("tidy")
        var looks = 0
        let helper = try #require(
            HelperProcess(Self.command("while read -r line; do :; done; echo tidy > \"$1\"", file)) {
                looks += 1
                return looks > 2
            })
        #expect(helper.ask(Self.question, within: .max / 2) == nil)
        let deadline = ContinuousClock.now + .seconds(60)
        while !FileManager.default.fileExists(atPath: file), ContinuousClock.now < deadline { try await nextLook() }
        #expect(FileManager.default.fileExists(atPath: file))
    }
}
