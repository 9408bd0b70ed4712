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
    private static let dataPlane = pattern("steered|library")
    private static let endpoint = pattern(#"[0-9.]+:[0-9]+|\[[0-9a-f:.]+\]:[0-9]+"#)
    private static let time = pattern(#"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"#)
    private static let code = pattern("[a-z]+(-[a-z]+)*")

    private static let contactState = pattern("contact|requested|requests|blocked")
    private static let reactions = { @Sendable (value: Any) in
        (value as? [[String: Any]])?.allSatisfy { flag($0["own"] ?? "") && text($0["text"] ?? 0) && $0.count == 2 }
            ?? false
    }
    private static let message = [
        "contact": must(text), "id": must(id), "direction": must(pattern("incoming|outgoing")), "text": must(text),
        "sent_at": must(time), "stored_at": must(time),
        "state": must(pattern("unread|seen|queued|sent|delivered|read|failed")), "reason": may(text),
        "kind": may(number), "reply_to": may(id), "edited": may(flag), "edited_at": may(time), "deleted": may(flag),
        "expires_after_s": may(number), "expires_at": may(time), "reactions": may(reactions),
    ]

    private static let events: [String: [String: Field]] = [
        "ready": ["peer": must(peer)],
        "path": [
            "contact": must(text), "path": must(path), "rtt_ms": may(number), "local": may(endpoint),
            "remote": may(endpoint), "data_plane": may(dataPlane), "since_start_ms": must(number),
            "verified": must(flag),
        ],
        "message": message, "changed": message,
        "state": [
            "id": must(id), "contact": must(text), "state": must(pattern("queued|sent|delivered|read|failed")),
            "reason": may(text), "ref": may(text),
        ],
        "change": ["contact": must(text), "state": must(pattern("queued|sent|delivered"))],
        "expired": ["contact": must(text), "id": must(id)],
        "typing": ["contact": must(text), "typing": must(flag)],
        "mailbox": ["waiting": may(number)],
        "notice": ["kind": must(code), "message": must(text), "contact": may(text), "cause": may(code)],
        "pong": ["contact": must(text), "path": must(path), "rtt_ms": must(number), "data_plane": may(dataPlane)],
        "bench": [
            "contact": must(text), "path": must(path), "gbit_per_s": must(number), "cpu_s_per_gib": must(number),
            "rtt_us_p50": may(number), "rtt_us_p99": may(number), "rtt_us_min": may(number), "rtt_us_max": may(number),
            "round_trips": must(number), "upload_gbit_per_s": must(number), "download_gbit_per_s": must(number),
            "upload_cpu_s_per_gib": must(number), "download_cpu_s_per_gib": must(number),
            "own_cpu_s_per_gib": must(number), "peer_cpu_s_per_gib": must(number), "bytes": must(number),
            "seconds": must(number), "memory_mb": must(number), "peer_memory_mb": must(number),
            "cipher": must(pattern("chacha20-poly1305|aes-256-gcm")), "post_quantum": must(flag),
            "path_changes": must(number), "packets_sent": must(number), "packet_bytes_sent": must(number),
            "data_plane": may(dataPlane), "download_gap_ms": must(number),
        ],
        "progress": [
            "contact": must(text), "phase": must(pattern("upload|download|echo")), "gbit_per_s": must(number),
            "seconds": must(number),
        ],
        "contact": [
            "name": must(text), "peer": must(peer), "verified": must(flag), "safety_number": may(pattern("[0-9]{60}")),
            "verification_code": may(pattern("sotto-verify:.*/.*")), "own_name": may(text),
            "state": must(contactState), "unread": may(number), "waiting": may(number), "expires_after_s": may(number),
        ],
        "request": ["name": must(text), "peer": must(peer), "greeting": must(text)],
        "removed": ["name": must(text), "peer": must(peer)],
        "session": ["contact": must(text), "state": must(pattern("online|offline")), "reason": may(text)],
        "signaling": ["state": must(pattern("disconnected")), "reason": must(text), "retry_in_s": may(number)],
        "invite": [
            "uri": may(pattern("sotto:sotto1.*")), "id": must(pattern("[0-9a-f]{16}")), "expires_at": must(time),
            "created_at": may(time), "state": may(pattern("open|used|expired|revoked")), "uses": may(number),
            "once": may(flag), "label": may(text),
        ],
        "netcheck": [
            "login_ms": must(number), "relay_rtt_ms": may(number), "udp_blocked": may(flag), "stun_rtt_ms": may(number),
            "mapped_v4": may(endpoint), "mapped_v6": may(endpoint),
            "mapping": may(pattern("none|endpoint-independent|endpoint-dependent|unknown")),
            "port_mapping": may(pattern("pcp|nat-pmp|upnp-igd|none")), "router_address": may(text),
        ],
        "status": [
            "peer": must(peer), "server": must(text), "online": must(flag), "process": may(number),
            "connected": may(flag), "reason": may(text), "mailbox": may(flag),
        ],
        "queue": [
            "contact": must(text), "state": must(contactState), "session": may(flag),
            "path": may(pattern("connecting|relay|direct|turn")), "data_plane": may(dataPlane), "waiting": must(number),
            "mailed": must(number),
            "unread": must(number),
        ],
        "setting": ["name": must(pattern("name|server|read-receipts|typing")), "value": must(text)],
        "archive": ["file": must(text), "contacts": must(number), "messages": must(number), "known": must(number)],
        "backup": ["directory": must(text)], "erased": ["directory": must(text)],
        "problem": ["message": must(text)], "check": ["problems": must(number)], "passphrase": ["sealed": must(flag)],
        "error": [
            "code": must(code), "message": must(text), "ref": may(text),
            "cause": may(pattern("disk-full|read-only|damaged|busy|system")),
        ],
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
