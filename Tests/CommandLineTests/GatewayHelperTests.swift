import Foundation
import TestTools
import Testing

/// What the process that speaks UPnP-IGD may not do, as the kernel has it.
struct GatewayHelperTests {
    /// A helper that has answered, and so has given up what it does not need: no gateway is at that address.
    private func helper() async throws -> Program {
        let helper = try Program(Programs.sotto, ["--gateway-helper"], environment: [:])
        try helper.write("delete 1\n")
        #expect(try await helper.line() == "failed 0")
        return helper
    }

    private func file(_ name: String, of helper: Program) throws -> String {
        try String(contentsOfFile: "/proc/\(helper.processID)/\(name)", encoding: .utf8)
    }

    @Test func hasNoWayOut() async throws {
        let helper = try await helper()
        let status = try file("status", of: helper)
        #expect(status.contains("NoNewPrivs:\t1\n"))
        // A filter of system calls.
        #expect(status.contains("Seccomp:\t2\n"))
        #expect(status.contains("Threads:\t1\n"))
        // Also where the program is root's.
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] { #expect(status.contains("\(set):\t0000000000000000\n")) }
        #expect(try file("environ", of: helper).isEmpty)
        let limits = try file("limits", of: helper).split(separator: "\n")
        func hard(_ name: String) -> Int? {
            let line = limits.first { $0.hasPrefix(name) }
            return line.flatMap { Int($0.dropFirst(25).split(separator: " ")[1]) }
        }
        #expect(hard("Max cpu time") == 60)
        #expect(hard("Max file size") == 0)
        #expect(hard("Max core file size") == 0)
        #expect(hard("Max open files") == 16)
        #expect(hard("Max address space") != nil)
        let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(helper.processID)/fd")
        #expect(descriptors.count == 3)
    }

    /// Who stops every program at once leaves it the time to give back ports; it ends when nobody asks any more.
    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func endsWithItsInputAndNotBySignals(number: Int32) async throws {
        let helper = try await helper()
        helper.signal(number)
        try helper.write("delete 1\n")
        #expect(try await helper.line() == "failed 0")
        helper.closeInput()
        #expect(try await helper.ending() == .code(0))
    }

    /// It is the program's own business.
    @Test func isNoCommandForPeople() async throws {
        for arguments in [["--gateway-helper", "id"], ["id", "--gateway-helper"]] {
            let program = try Program(Programs.sotto, arguments)
            #expect(try await program.ending() == .code(64))
        }
        let help = try Program(Programs.sotto, ["--help"])
        #expect(try await help.ending() == .code(0))
        #expect(!help.output.contains("gateway-helper"))
    }
}
