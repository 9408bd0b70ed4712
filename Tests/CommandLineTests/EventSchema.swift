import Foundation

/// The events of `docs/command-line.md`: their fields, which of them must be there, and what they may hold.
enum EventSchema {
    private struct Field {
        let isRequired: Bool
        let accepts: @Sendable (Any) -> Bool
    }

    private static let text = { @Sendable (value: Any) in value is String }
    private static let flag = { @Sendable (value: Any) in
        (value as? NSNumber).map { CFBooleanLike.isBoolean($0) } ?? false
    }
    private static let number = { @Sendable (value: Any) in
        (value as? NSNumber).map { !CFBooleanLike.isBoolean($0) && $0.doubleValue.isFinite && $0.doubleValue >= 0 }
            ?? false
    }

    private static func pattern(_ pattern: String) -> @Sendable (Any) -> Bool {
        { value in (value as? String)?.range(of: "^(\(pattern))$", options: .regularExpression) != nil }
    }

    private static func must(_ accepts: @escaping @Sendable (Any) -> Bool) -> Field {
        Field(isRequired: true, accepts: accepts)
    }

    private static func may(_ accepts: @escaping @Sendable (Any) -> Bool) -> Field {
        Field(isRequired: false, accepts: accepts)
    }

    private static let peer = pattern("sotto1[02-9ac-hj-np-z]{58}")
    private static let id = pattern("[0-9a-f]{32}")
    private static let path = pattern("relay|direct|turn")
    private static let endpoint = pattern(#"[0-9.]+:[0-9]+|\[[0-9a-f:.]+\]:[0-9]+"#)
    private static let time = pattern(#"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"#)
    private static let code = pattern("[a-z]+(-[a-z]+)*")

    private static let events: [String: [String: Field]] = [
        "ready": ["peer": must(peer)],
        "path": [
            "contact": must(text), "path": must(path), "rtt_ms": may(number), "local": may(endpoint),
            "remote": may(endpoint), "since_start_ms": must(number), "verified": must(flag),
        ],
        "message": ["contact": must(text), "id": must(id), "text": must(text), "sent_at": must(time)],
        "state": [
            "id": must(id), "contact": must(text), "state": must(pattern("queued|sent|delivered|failed")),
            "reason": may(text),
        ],
        "pong": ["contact": must(text), "path": must(path), "rtt_ms": must(number)],
        "contact": [
            "name": must(text), "peer": must(peer), "verified": must(flag), "safety_number": may(pattern("[0-9]{60}")),
        ],
        "session": ["contact": must(text), "state": must(pattern("online|offline")), "reason": may(text)],
        "signaling": ["state": must(pattern("disconnected")), "reason": must(text), "retry_in_s": may(number)],
        "invite": ["uri": must(pattern("sotto:sotto1.*"))],
        "netcheck": [
            "login_ms": must(number), "relay_rtt_ms": may(number), "udp_blocked": may(flag), "stun_rtt_ms": may(number),
            "mapped_v4": may(endpoint), "mapped_v6": may(endpoint),
            "mapping": may(pattern("none|endpoint-independent|endpoint-dependent|unknown")),
        ],
        "error": ["code": must(code), "message": must(text)],
    ]

    /// What is wrong with a line of standard output, one sentence each.
    static func problems(_ line: String) -> [String] {
        guard let parsed = try? JSONSerialization.jsonObject(with: Data(line.utf8)),
            let object = parsed as? [String: Any]
        else { return ["not a JSON object: \(line)"] }
        guard let name = object["event"] as? String, let fields = events[name] else {
            return ["unknown event: \(line)"]
        }
        var problems: [String] = []
        for (field, value) in object where field != "event" {
            guard let rule = fields[field] else {
                problems.append("\(name) has no field '\(field)': \(line)")
                continue
            }
            if !rule.accepts(value) { problems.append("'\(field)' cannot be that: \(line)") }
        }
        for (field, rule) in fields where rule.isRequired && object[field] == nil {
            problems.append("'\(field)' is missing: \(line)")
        }
        // Nothing in it may upset a terminal.
        if line.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            problems.append("control characters: \(line)")
        }
        return problems
    }
}

/// Tells JSON's true and false from its 1 and 0.
private enum CFBooleanLike {
    static func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
}

/// An event as the tests look at it.
struct Event: Sendable, CustomStringConvertible {
    let name: String
    private let texts: [String: String]
    private let numbers: [String: Double]
    let description: String

    init?(_ line: String) {
        guard let parsed = try? JSONSerialization.jsonObject(with: Data(line.utf8)),
            let object = parsed as? [String: Any],
            let name = object["event"] as? String
        else { return nil }
        self.name = name
        texts = object.compactMapValues { $0 as? String }
        numbers = object.compactMapValues { ($0 as? NSNumber)?.doubleValue }
        description = line
    }

    subscript(_ field: String) -> String? { texts[field] }

    func number(_ field: String) -> Double? { numbers[field] }

    func flag(_ field: String) -> Bool? { numbers[field].map { $0 != 0 } }
}
