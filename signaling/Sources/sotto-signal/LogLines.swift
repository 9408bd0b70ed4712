import FoundationEssentials
import Logging

/// Writes one line an event to standard error, for people and for machines.
struct LogLines: LogHandler {
    enum Format: String {
        case logfmt, json
    }

    private let format: Format
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.notice

    init(_ format: Format) {
        self.format = format
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = [
            ("time", Self.time()), ("level", event.level.rawValue), ("message", event.message.description),
        ]
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        fields += all.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        StandardError.write(Self.line(fields, format) + "\n")
    }

    static func line(_ fields: [(String, String)], _ format: Format) -> String {
        switch format {
        case .logfmt: fields.map { "\($0.0)=\(logfmt($0.1))" }.joined(separator: " ")
        case .json: "{" + fields.map { "\(json($0.0)):\(json($0.1))" }.joined(separator: ",") + "}"
        }
    }

    /// RFC 3339, in UTC, with milliseconds.
    private static func time() -> String {
        Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }

    private static func logfmt(_ text: String) -> String {
        let isBare =
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x3D && $0 != 0x5C }
        return isBare ? text : json(text)
    }

    /// A JSON string; control characters and what is not ASCII are escaped, so that nothing can forge a line.
    private static func json(_ text: String) -> String {
        var result = "\""
        for unit in text.utf16 {
            switch unit {
            case 0x22: result += "\\\""
            case 0x5C: result += "\\\\"
            case 0x20...0x7E: result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            default:
                result +=
                    "\\u" + String(repeating: "0", count: 4 - String(unit, radix: 16).count) + String(unit, radix: 16)
            }
        }
        return result + "\""
    }
}
