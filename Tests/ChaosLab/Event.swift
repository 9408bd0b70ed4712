import Foundation

/// A line of JSON from `sotto`.
struct Event: Decodable, Sendable {
    var event: String
    var contact: String?
    var path: String?
    var id: String?
    var text: String?
    var state: String?
    var ref: String?
    var code: String?
    var reason: String?
    var message: String?
    var direction: String?
    var kind: String?
    var uri: String?
    var peer: String?
    var name: String?
    var waiting: Int?

    init?(_ line: String) {
        guard let event = try? JSONDecoder().decode(Event.self, from: Data(line.utf8)) else { return nil }
        self = event
    }
}

/// A line for `sotto`.
struct Order: Encodable {
    var to: String
    var send: String
    var ref: String

    var line: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return ((try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "") + "\n"
    }
}
