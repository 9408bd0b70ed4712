import Foundation
import Messenger
import Wire

extension Output {
    /// The result of `bench`.
    func bench(_ report: BenchmarkReport, with contact: Contact) {
        event(BenchText.line(report, contact))
        say(BenchText.table(report, contact))
    }

    /// How far `bench` is, for scripts.
    func progress(_ progress: BenchmarkProgress, with contact: Contact) {
        event(
            JSONLine(event: "progress").adding("contact", .text(contact.name))
                .adding("phase", .text(progress.phase.word))
                .adding("gbit_per_s", .number(progress.bitsPerSecond / 1e9))
                .adding("seconds", .number(progress.seconds)))
    }
}

extension BenchmarkPhase {
    /// As scripts read it.
    fileprivate var word: String {
        switch self {
        case .upload: "upload"
        case .download: "download"
        case .echo: "echo"
        }
    }
}

/// What a benchmark found, for scripts and for people.
enum BenchText {
    private typealias Transfer = BenchmarkReport.Transfer

    static func line(_ report: BenchmarkReport, _ contact: Contact) -> JSONLine {
        let both = total(report)
        return JSONLine(event: "bench").adding("contact", .text(contact.name))
            .adding("path", .text(report.path?.kind.rawValue ?? "relay"))
            .adding("data_plane", report.path?.dataPlane.map { .text($0.rawValue) })
            .adding("gbit_per_s", .number(both.bitsPerSecond / 1e9))
            .adding("cpu_s_per_gib", .number(perGiB(both.processor, both) + perGiB(both.peerProcessor, both)))
            .adding("rtt_us_p50", report.roundTrip(0.5).map { .number(microseconds($0)) })
            .adding("rtt_us_p99", report.roundTrip(0.99).map { .number(microseconds($0)) })
            .adding("rtt_us_min", report.roundTrip(0).map { .number(microseconds($0)) })
            .adding("rtt_us_max", report.roundTrip(1).map { .number(microseconds($0)) })
            .adding("round_trips", .integer(report.roundTrips.count))
            .adding("upload_gbit_per_s", .number(report.upload.bitsPerSecond / 1e9))
            .adding("download_gbit_per_s", .number(report.download.bitsPerSecond / 1e9))
            .adding("download_gap_ms", .number(Double(report.longestGap) / 1e6))
            .adding("upload_cpu_s_per_gib", .number(perGiB(report.upload)))
            .adding("download_cpu_s_per_gib", .number(perGiB(report.download)))
            .adding("own_cpu_s_per_gib", .number(perGiB(both.processor, both)))
            .adding("peer_cpu_s_per_gib", .number(perGiB(both.peerProcessor, both)))
            .adding("bytes", .integer(Int(clamping: both.bytes)))
            .adding("seconds", .number(Double(both.nanoseconds) / 1e9))
            .adding("memory_mb", .number(Double(report.memory) / 1e6))
            .adding("peer_memory_mb", .number(Double(report.peerMemory) / 1e6))
            .adding("cipher", .text(report.cipher.rawValue)).adding("post_quantum", .flag(report.isHybrid))
            .adding("path_changes", .integer(report.pathChanges))
            .adding("packets_sent", .integer(Int(clamping: report.packetsSent)))
            .adding("packet_bytes_sent", .integer(Int(clamping: report.bytesSent)))
    }

    static func table(_ report: BenchmarkReport, _ contact: Contact) -> String {
        let (up, down) = (report.upload, report.download)
        var rows = [
            row("", "sent", "received"),
            row("throughput", rate(up.bitsPerSecond), rate(down.bitsPerSecond)),
            row("longest gap", "", time(report.longestGap)),
            row("amount", amount(up.bytes), amount(down.bytes)),
            row("processor here", seconds(up.processor, up), seconds(down.processor, down)),
            row("processor there *", seconds(up.peerProcessor, up), seconds(down.peerProcessor, down)),
        ]
        if let middle = report.roundTrip(0.5), let most = report.roundTrip(0.99) {
            rows.append(
                "round trip of \(BenchmarkReport.echoSize) bytes: median \(time(middle)), 99 in 100 below \(time(most)) (\(report.roundTrips.count) of them)"
            )
        }
        rows.append("memory: \(amount(report.memory)) here, \(amount(report.peerMemory)) there *")
        rows.append(
            "\(report.path?.carrier ?? ConversationPath.Kind.relay.rawValue), \(report.cipher.rawValue), \(report.isHybrid ? "post-quantum" : "classical") handshake"
                + (report.pathChanges > 0 ? "; the path changed \(report.pathChanges) times meanwhile" : ""))
        rows.append("* as \(contact.name)'s program says")
        return rows.joined(separator: "\n")
    }

    /// Bits a second, for people.
    static func rate(_ bits: Double) -> String {
        if bits >= 1e9 { return String(format: "%.2f Gbit/s", bits / 1e9) }
        return bits >= 1e6 ? String(format: "%.1f Mbit/s", bits / 1e6) : String(format: "%.0f kbit/s", bits / 1e3)
    }

    private static func row(_ title: String, _ sent: String, _ received: String) -> String {
        func padded(_ text: String) -> String { String(repeating: " ", count: max(0, 16 - text.count)) + text }
        return title + String(repeating: " ", count: max(0, 18 - title.count)) + padded(sent) + padded(received)
    }

    private static func total(_ report: BenchmarkReport) -> Transfer {
        let (up, down) = (report.upload, report.download)
        var both = up
        both.bytes &+= down.bytes
        both.nanoseconds &+= down.nanoseconds
        both.processor &+= down.processor
        both.peerProcessor &+= down.peerProcessor
        return both
    }

    /// Seconds of processor time for each GiB.
    private static func perGiB(_ processor: UInt64, _ transfer: Transfer) -> Double {
        transfer.bytes == 0 ? 0 : Double(processor) / 1e9 / (Double(transfer.bytes) / Double(1 << 30))
    }

    private static func perGiB(_ transfer: Transfer) -> Double {
        perGiB(transfer.processor, transfer) + perGiB(transfer.peerProcessor, transfer)
    }

    private static func seconds(_ processor: UInt64, _ transfer: Transfer) -> String {
        String(format: "%.2f s/GiB", perGiB(processor, transfer))
    }

    private static func amount(_ bytes: UInt64) -> String {
        bytes >= 1_000_000_000
            ? String(format: "%.2f GB", Double(bytes) / 1e9) : String(format: "%.1f MB", Double(bytes) / 1e6)
    }

    private static func microseconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e3 }

    private static func time(_ nanoseconds: UInt64) -> String {
        nanoseconds < 1_000_000
            ? String(format: "%.0f µs", Double(nanoseconds) / 1e3)
            : String(format: "%.2f ms", Double(nanoseconds) / 1e6)
    }
}
