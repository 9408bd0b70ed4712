import Foundation

/// Times as text.
enum TimeText {
    /// ISO 8601 in UTC with milliseconds. `milliseconds` since 1970.
    static func iso(_ milliseconds: UInt64) -> String {
        date(milliseconds).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    /// A moment as a date; no later than the year 9999.
    static func date(_ milliseconds: UInt64) -> Date {
        Date(timeIntervalSince1970: Double(min(milliseconds, 253_402_300_799_000)) / 1000)
    }

    /// Hours and minutes of the day where the user is: `14:05`.
    static func clock(_ date: Date) -> String {
        let parts = local(date)
        return "\(two(parts.tm_hour)):\(two(parts.tm_min))"
    }

    /// The day where the user is: `Sat 2026-11-21`.
    static func day(_ date: Date) -> String {
        let parts = local(date)
        let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let name = names.indices.contains(Int(parts.tm_wday)) ? names[Int(parts.tm_wday)] : ""
        return "\(name) \(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    }

    private static func local(_ date: Date) -> tm {
        var seconds = time_t(date.timeIntervalSince1970)
        var parts = tm()
        localtime_r(&seconds, &parts)
        return parts
    }

    private static func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
}

/// Spans of time as the user types and reads them: `30s`, `5m`, `12h`, `7d`, `4w`.
enum DurationText {
    private static let units: [(name: Character, seconds: UInt32)] = [
        ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1),
    ]

    /// Seconds, from one to about 136 years; `nil` when the text is no span of time. Without a unit it is in seconds.
    static func seconds(_ text: String) -> UInt32? {
        let unit = text.last.flatMap { last in units.first { $0.name == last } }
        let digits = unit == nil ? Substring(text) : text.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(digits)
        else { return nil }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: unit?.seconds ?? 1)
        return overflow || seconds == 0 ? nil : seconds
    }

    /// The shortest way to write so many seconds exactly.
    static func text(_ seconds: UInt32) -> String {
        let unit = units.first { seconds >= $0.seconds && seconds % $0.seconds == 0 } ?? ("s", 1)
        return "\(seconds / unit.seconds)\(unit.name)"
    }
}
