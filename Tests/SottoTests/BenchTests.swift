import ArgumentParser
import Foundation
import Identity
import TestTools
import Testing
import Vault
import Wire

@testable import Messenger
@testable import sotto

/// What `bench` makes of its arguments, and of what was measured.
@Suite struct BenchTests {
    private func report() -> BenchmarkReport {
        var report = BenchmarkReport()
        report.upload = BenchmarkReport.Transfer(
            bytes: 1 << 30, nanoseconds: 2_000_000_000, processor: 500_000_000, peerProcessor: 1_500_000_000)
        report.download = BenchmarkReport.Transfer(
            bytes: 3 << 30, nanoseconds: 2_000_000_000, processor: 3_000_000_000, peerProcessor: 6_000_000_000)
        report.longestGap = 12_500_000
        report.roundTrips = (1...100).map { $0 * 1_000 }
        report.memory = 41_000_000
        report.peerMemory = 43_500_000
        report.cipher = .aes256GCM
        report.isHybrid = true
        return report
    }

    private func contact() throws -> Contact { Contact(peer: try Identity.generate().peerID, name: "bob") }

    @Test func figuresAreThoseOfTheContract() throws {
        let line = BenchText.line(report(), try contact()).line
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        let expected: [String: Double] = [
            "gbit_per_s": 8.590, "upload_gbit_per_s": 4.295, "download_gbit_per_s": 12.885, "cpu_s_per_gib": 2.75,
            "upload_cpu_s_per_gib": 2, "download_cpu_s_per_gib": 3, "own_cpu_s_per_gib": 0.875,
            "peer_cpu_s_per_gib": 1.875, "rtt_us_p50": 51, "rtt_us_p99": 100, "rtt_us_min": 1, "rtt_us_max": 100,
            "download_gap_ms": 12.5, "round_trips": 100, "seconds": 4, "memory_mb": 41, "peer_memory_mb": 43.5,
        ]
        for (name, value) in expected { #expect((object[name] as? NSNumber)?.doubleValue == value, "\(name)") }
        #expect(object["bytes"] as? Int == 4 << 30)
        #expect(object["cipher"] as? String == "aes-256-gcm" && object["path"] as? String == "relay")
    }

    @Test func nothingMeasuredIsNoTrap() throws {
        let line = BenchText.line(BenchmarkReport(), try contact()).line
        #expect(!line.contains("rtt_us") && line.contains("\"gbit_per_s\":0.000"))
        #expect(BenchText.table(BenchmarkReport(), try contact()).contains("0 kbit/s"))
    }

    @Test func peopleGetATable() throws {
        let table = BenchText.table(report(), try contact())
        for part in [
            "4.29 Gbit/s", "12.88 Gbit/s", "0.50 s/GiB", "2.00 s/GiB", "12.50 ms", "median 51 µs",
            "as bob's program says",
        ] {
            #expect(table.contains(part), "\(table)")
        }
    }

    @Test(
        arguments: [
            ([], 5, nil), (["--seconds", "0.1"], 0.1, nil),
            (["--seconds", "60", "--cipher", "aes-256-gcm"], 60, .aes256GCM),
            (["--cipher", "chacha20-poly1305"], 5, .chaCha20Poly1305),
        ] as [([String], Double, CipherName?)])
    func argumentsAreRead(arguments: [String], seconds: Double, cipher: CipherName?) throws {
        let bench = try #require(try Sotto.parseAsRoot(["bench", "bob"] + arguments) as? Bench)
        #expect(bench.name == "bob" && bench.seconds == seconds && bench.cipher == cipher)
    }

    @Test func listenersOfferNothingUnlessTold() throws {
        #expect(try (Sotto.parseAsRoot(["listen"]) as? Listen)?.bench == false)
        #expect(try (Sotto.parseAsRoot(["listen", "--bench"]) as? Listen)?.bench == true)
    }

    @Test(arguments: [
        (BenchmarkFailure.notOffered, "not-offered"), (.busy, "busy"), (.interrupted("left"), "silent"),
        (.silent, "silent"), (.misbehaved, "failed"),
    ])
    func failuresHaveCodes(failure: BenchmarkFailure, code: String) throws {
        #expect(Failure(failure, try contact()).code == code)
    }
}
