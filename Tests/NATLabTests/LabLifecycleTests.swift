import Foundation
import NATLab
import Testing

@Suite(.enabled(if: Lab.isAvailable, "\(Lab.unavailableReason)"))
struct LabLifecycleTests {
    private func oneHost(_ plan: inout LabPlan) {
        plan.host("host")
    }

    @Test func setsUpInWellUnderASecond() async throws {
        try await Lab.with { plan in
            plan.host("server", families: .dual)
            plan.host("alice", behind: .doubleNAT)
            plan.host("bob", behind: .symmetric)
        } _: { lab in
            print("NAT laboratory: six namespaces set up in \(lab.setupTime)")
            #expect(lab.setupTime < .seconds(2))
        }
    }

    @Test func endsEveryProcessOnClosing() async throws {
        let lab = try await Lab.start(oneHost)
        let host = try lab.host("host")
        let direct = try host.spawn("sleep", ["1000"])
        let shell = try host.spawn("sh", ["-c", "(setsid sleep 1000 & echo $!; wait)"])
        _ = try await shell.nextLine()
        try await lab.close()
        #expect(try await direct.exit() == .signal(SIGKILL))
        #expect(try await shell.exit() == .signal(SIGKILL))
        #expect(kill(direct.processID, 0) == -1)
        #expect(throws: LabError.self) { try host.spawn("true") }
        try await lab.close()
    }

    @Test func refusesUnknownNames() async throws {
        try await Lab.with(oneHost) { lab in
            #expect(throws: LabError.self) { try lab.host("nobody") }
            #expect(throws: LabError.self) { try lab.host("host").spawn("no-such-program") }
            #expect(throws: LabError.self) { try lab.host("host").spawn("/no/such/program") }
        }
    }

    @Test func runsAProgramToItsEnd() async throws {
        try await Lab.with(oneHost) { lab in
            let host = try lab.host("host")
            let output = try await host.run("sh", "-c", "cat; echo error >&2; exit 3", input: "one\ntwo")
            #expect(output.status == .code(3))
            #expect(output.output == "one\ntwo\n")
            #expect(output.errors == "error\n")
            let variable = try await host.run("sh", "-c", "echo $GREETING", environment: ["GREETING": "hi"])
            #expect(variable.output == "hi\n")
        }
    }

    @Test func killsAProgramThatTakesTooLong() async throws {
        try await Lab.with(oneHost) { lab in
            let host = try lab.host("host")
            await #expect(throws: LabError.self) {
                try await host.run("sleep", "1000", within: .milliseconds(50))
            }
        }
    }

    @Test func talksToARunningProgram() async throws {
        try await Lab.with(oneHost) { lab in
            let process = try lab.host("host").spawn("sh", ["-c", "while read x; do echo got $x; done; echo bye"])
            try process.write("a\nb\n")
            #expect(try await process.nextLine().text == "got a")
            let before = ContinuousClock.now
            try process.write("c\n")
            let line = try await process.nextLine("c") { $0.hasSuffix("c") }
            #expect(line.time > before)
            await #expect(throws: LabError.self) { try await process.nextLine(within: .milliseconds(20)) }
            process.closeInput()
            #expect(try await process.nextLine().text == "bye")
            #expect(try await process.exit() == .code(0))
            await #expect(throws: LabError.self) { try await process.nextLine() }
            try process.write("into the void\n")
            process.signal(SIGKILL)
        }
    }

    @Test func terminatesWhatIgnoresTheRequest() async throws {
        try await Lab.with(oneHost) { lab in
            let host = try lab.host("host")
            let stubborn = try host.spawn("sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 1000; done"])
            _ = try await stubborn.nextLine()
            #expect(await stubborn.terminate(within: .milliseconds(50)) == .signal(SIGKILL))
            let polite = try host.spawn("sh", ["-c", "trap 'exit 7' TERM; echo ready; sleep 1000 & wait"])
            _ = try await polite.nextLine()
            #expect(await polite.terminate() == .code(7))
        }
    }

    @Test func leavesNoDescriptorsBehind() async throws {
        try await Lab.with(oneHost) { lab in
            // A child has its three and nothing of this process's.
            let listing = try await lab.host("host").run("sh", "-c", "ls /proc/self/fd | wc -l")
            #expect(Int(listing.output.trimmingCharacters(in: .whitespacesAndNewlines)) == 4)
        }
    }

    @Test func runsManyProgramsAtOnce() async throws {
        try await Lab.with(oneHost) { lab in
            let host = try lab.host("host")
            try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<60 { group.addTask { try await host.run("echo", "\(number)").output } }
                var seen: Set<String> = []
                for try await output in group { seen.insert(output) }
                #expect(seen.count == 60)
            }
        }
    }
}
