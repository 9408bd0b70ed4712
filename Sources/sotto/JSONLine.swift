import Foundation

/// One JSON object on one line, its fields in the order in which they were given.
struct JSONLine {
    enum Value {
        case text(String)
        case number(Double)
        case integer(Int)
        case flag(Bool)
        case list([JSONLine])
    }

    private(set) var text = "{"

    /// An object without a name, to stand in a list.
    init() {}

    /// An event object: `{"event":"…"`.
    init(event: String) { add("event", .text(event)) }

    /// The finished line, without the newline.
    var line: String { text + "}" }

    mutating func add(_ name: String, _ value: Value?) {
        guard let value else { return }
        // JSON has no such numbers; a field without a value is absent.
        if case .number(let number) = value, !number.isFinite { return }
        if text.utf8.count > 1 { text += "," }
        text += "\(Self.quoted(name)):"
        switch value {
        case .text(let value): text += Self.quoted(value)
        case .number(let value): text += String(format: "%.3f", value)
        case .integer(let value): text += String(value)
        case .flag(let value): text += value ? "true" : "false"
        case .list(let objects): text += "[" + objects.map(\.line).joined(separator: ",") + "]"
        }
    }

    func adding(_ name: String, _ value: Value?) -> JSONLine {
        var copy = self
        copy.add(name, value)
        return copy
    }

    /// A JSON string (RFC 8259 §7); controls and what could upset a terminal are escaped.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case _
            where scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
                || scalar.value == 0x2028 || scalar.value == 0x2029:
                for unit in UTF16.encode(scalar) ?? .init() { quoted += String(format: "\\u%04x", unit) }
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
