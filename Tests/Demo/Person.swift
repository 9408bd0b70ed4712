import Foundation
import NATLab

/// One `sotto` that runs, and what it says.
struct Person: Sendable {
    let name: String
    let process: LabProcess

    /// One line of JSON from the program.
    struct Event: Decodable, Sendable {
        var event: String
        var contact: String?
        var path: String?
        var rttMs: Double?
        var remote: String?
        var text: String?
        var state: String?
        var message: String?

        init?(_ line: String) {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            guard let event = try? decoder.decode(Event.self, from: Data(line.utf8)) else { return nil }
            self = event
        }
    }

    func write(_ object: [String: String]) throws {
        let data = try JSONEncoder().encode(object)
        try process.write(String(decoding: data, as: UTF8.self) + "\n")
    }

    /// The next event that is wanted; those before it are passed over.
    func next(
        _ what: String, within limit: Duration = .seconds(20), where matches: @escaping @Sendable (Event) -> Bool
    ) async throws -> (event: Event, time: ContinuousClock.Instant) {
        let line = try await process.nextLine(what, within: limit) { line in Event(line).map(matches) ?? false }
        guard let event = Event(line.text) else { throw CocoaError(.coderInvalidValue) }
        return (event, line.time)
    }

    func nextPath(_ kind: String, within limit: Duration = .seconds(20)) async throws -> Event {
        try await next("path \(kind)", within: limit) { $0.event == "path" && $0.path == kind }.event
    }
}
