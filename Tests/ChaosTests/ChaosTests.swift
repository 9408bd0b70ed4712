import ChaosLab
import Foundation
import TestTools
import Testing

/// The short form of `make chaos`: the real programs, for about half a minute. Another seed than the one here can be tried with SOTTO_CHAOS_SEED.
@Suite(.serialized, .enabled("chaos: \(Programs.obstacle)") { Programs.areReady })
struct ChaosTests {
    @Test(.timeLimit(.minutes(10)))
    func nothingIsLostWhateverBreaks() async throws {
        var options = ChaosOptions(programs: Programs.folder)
        options.seed = ProcessInfo.processInfo.environment["SOTTO_CHAOS_SEED"].flatMap { UInt64($0) } ?? 20
        options.messages = 800
        options.kills = 12
        options.cuts = 6
        options.fills = 6
        options.isShort = true
        options.limit = .seconds(300)
        let report = try await ChaosRun.run(options)
        #expect(report.isClean, "\(report.text)")
        #expect(report.compared >= 800)
        #expect(report.kills.values.reduce(0, +) >= 12)
        #expect(report.scannedBytes > 100_000)
    }

    /// With a passphrase, and without faults: what is on the disks is nobody's business.
    @Test(.timeLimit(.minutes(5)))
    func nobodyReadsOnTheDisks() async throws {
        var options = ChaosOptions(programs: Programs.folder)
        options.seed = 7
        (options.messages, options.kills, options.cuts, options.fills) = (120, 1, 0, 0)
        options.isShort = true
        options.hasPassphrase = true
        options.limit = .seconds(120)
        let report = try await ChaosRun.run(options)
        #expect(report.isClean, "\(report.text)")
        #expect(report.violations.count("plaintext") == 0)
        #expect(report.scannedFiles >= 6)
    }
}
