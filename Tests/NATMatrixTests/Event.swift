import Foundation
import NATLab

/// One line that `sotto --json` writes. Fields that the harness does not look at are left out.
struct Event: Decodable, Sendable {
    let event: String
    var peer: String?
    var contact: String?
    var name: String?
    var path: String?
    var local: String?
    var remote: String?
    var sinceStartMilliseconds: Double?
    var verified: Bool?
    var id: String?
    var text: String?
    var state: String?
    var reason: String?
    var uri: String?
    var code: String?
    var message: String?
    var phase: String?
    var seconds: Double?
    var gap: Double?

    enum CodingKeys: String, CodingKey {
        case event, peer, contact, name, path, local, remote, verified, id, text, state, reason, uri, code, message
        case phase, seconds
        case gap = "download_gap_ms"
        case sinceStartMilliseconds = "since_start_ms"
    }

    init?(_ line: String) {
        guard let event = try? JSONDecoder().decode(Event.self, from: Data(line.utf8)) else { return nil }
        self = event
    }
}

/// What one run of `sotto --json` has said so far.
struct Journal: Sendable {
    struct Path: Sendable {
        let kind: String
        let sinceStart: Double
        let verified: Bool?
        let local: String?
        let remote: String?
        let time: ContinuousClock.Instant
        /// The session that the path belongs to, counted from 1.
        let session: Int
    }

    struct Message: Sendable {
        let text: String
        let time: ContinuousClock.Instant
        /// The path that carried the session when the message came.
        let path: String?
    }

    /// How often the server has let us in.
    var logins = 0
    var isReady: Bool { logins > 0 }
    var sessions = 0
    var isOnline = false
    var paths: [Path] = []
    var messages: [Message] = []
    /// The last known state of each of our messages, by id.
    var states: [String: String] = [:]
    var failures: [String] = []
    /// How long the download of a benchmark has been running, in seconds; nil before it.
    var downloading: Double?
    /// The longest gap in the download of a benchmark that is over, in milliseconds.
    var downloadGap: Double?
    var notJSON: [String] = []
    var end: ExitStatus?
    /// What happened besides messages, with the seconds since the first event.
    var trace: [String] = []
    private var began: ContinuousClock.Instant?

    /// The path in use; nil before the first and after the session's end.
    var path: String? { isOnline || paths.isEmpty ? paths.last?.kind : nil }

    mutating func take(_ change: LabProcess.Change) {
        switch change {
        case .ended(let status): end = status
        case .line(let line):
            guard let event = Event(line.text) else { return notJSON.append(line.text) }
            take(event, line.time)
        }
    }

    private mutating func remember(_ event: Event, _ time: ContinuousClock.Instant) {
        let start = began ?? time
        began = start
        guard !["message", "state", "pong", "progress"].contains(event.event) else { return }
        let details = [event.path, event.state, event.reason, event.message].compactMap { $0 }
        let seconds = ((time - start).milliseconds / 10).rounded() / 100
        trace.append(([event.event] + details).joined(separator: " ") + " @\(seconds)")
    }

    private mutating func take(_ event: Event, _ time: ContinuousClock.Instant) {
        remember(event, time)
        switch event.event {
        case "ready": logins += 1
        case "session":
            isOnline = event.state == "online"
            if isOnline { sessions += 1 }
        case "path":
            paths.append(
                Path(
                    kind: event.path ?? "", sinceStart: event.sinceStartMilliseconds ?? .nan, verified: event.verified,
                    local: event.local, remote: event.remote, time: time, session: max(1, sessions)))
        case "message":
            messages.append(Message(text: event.text ?? "", time: time, path: paths.last?.kind))
        case "state":
            if let id = event.id { states[id] = event.state ?? "" }
            if event.state == "failed" { failures.append("a message failed: \(event.reason ?? "")") }
        case "progress": downloading = event.phase == "download" ? event.seconds : nil
        case "bench": downloadGap = event.gap
        case "error": failures.append("\(event.code ?? ""): \(event.message ?? "")")
        default: break
        }
    }
}

extension Journal: CustomStringConvertible {
    var description: String {
        let ending = end.map { ", it \($0)" } ?? ""
        let last = messages.last.flatMap { message in
            began.map { ", the last @\(((message.time - $0).milliseconds / 10).rounded() / 100)" }
        }
        return "[\(trace.suffix(14).joined(separator: "; "))], \(messages.count) messages in\(last ?? ""), "
            + "\(states.values.count { $0 == "delivered" || $0 == "read" }) of \(states.count) out delivered, failures \(failures)\(ending)"
    }
}
