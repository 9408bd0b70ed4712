import Foundation
import NATLab
import TestTools

/// A scenario's setting: a server on the internet, alice and bob wherever they are.
struct Meeting: Sendable {
    let lab: Lab
    let server: ServerProgram
    let alice: Person
    let bob: Person

    /// Where alice and bob are.
    struct Place: Sendable {
        var profile = NATProfile.open
        var families = AddressFamilies.ipv4

        static func behind(_ profile: NATProfile, _ families: AddressFamilies = .ipv4) -> Place {
            Place(profile: profile, families: families)
        }
    }

    /// Sets up two sites with a person each.
    static func with(alice: Place, bob: Place, _ body: (Meeting) async throws -> Void) async throws {
        let families = [alice.families, bob.families]
        try await with(families) { plan in
            plan.host("alice", behind: alice.profile, families: alice.families)
            plan.host("bob", behind: bob.profile, families: bob.families)
        } _: {
            try await body($0)
        }
    }

    /// Sets up one site with both.
    static func with(both place: Place, _ body: (Meeting) async throws -> Void) async throws {
        try await with([place.families]) { plan in
            plan.site("home", behind: place.profile, families: place.families, hosts: ["alice", "bob"])
        } _: {
            try await body($0)
        }
    }

    private static func with(
        _ families: [AddressFamilies], _ plan: (inout LabPlan) -> Void, _ body: (Meeting) async throws -> Void
    ) async throws {
        try await Lab.with { whole in
            whole.host("server", families: .dual)
            plan(&whole)
        } _: { lab in
            let serverHost = try lab.host("server")
            let url = try serverURL(families, serverHost)
            let folder = try await Household.shared.copies(server: url, desk: serverHost)
            defer { withExtendedLifetime(folder) {} }
            let server = ServerProgram(on: serverHost, folder: folder.path)
            try await server.start()
            try await body(
                Meeting(
                    lab: lab, server: server,
                    alice: Person("alice", home: folder.file("alice"), on: try lab.host("alice")),
                    bob: Person("bob", home: folder.file("bob"), on: try lab.host("bob"))))
        }
    }

    /// An address that all can reach, or else the server's name.
    private static func serverURL(_ families: [AddressFamilies], _ server: LabHost) throws -> String {
        let host: String
        if families.allSatisfy(\.hasIPv4), let address = server.address4 {
            host = address
        } else if families.allSatisfy(\.hasIPv6), let address = server.address6 {
            host = "[\(address)]"
        } else {
            host = ServerProgram.hostName
        }
        return "ws://\(host):\(ServerProgram.port)"
    }

    // MARK: Talking

    /// Bob listens, alice dials, and her first message is on its way before she is even connected.
    func begin(alice aliceOptions: [String] = [], bob bobOptions: [String] = []) async throws {
        try bob.listen(for: "alice", options: bobOptions)
        try await bob.waitUntilReady()
        try alice.chat(with: "bob", options: aliceOptions)
        try alice.sayNext()
        try await bob.first("first message") { $0.messages.first }
    }

    /// Runs `body` while both send a message at every beat, alice without a pause, bob as soon as he is not alone.
    func talking(every beat: Duration = .milliseconds(25), _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for person in [alice, bob] {
                group.addTask {
                    for await _ in Ticks(every: beat) { try person.sayNext() }
                }
            }
            try await body()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Waits until everything that was said has arrived.
    func waitForAll(within limit: Duration = .seconds(30)) async throws {
        for (speaker, listener) in [(alice, bob), (bob, alice)] {
            let (count, before) = (speaker.sentCount, Set(listener.previousJournals.flatMap(\.messages).map(\.text)))
            // Each counts once: what a killed program had shown may be shown again.
            try await listener.first("all \(count) messages of \(speaker.name)", within: limit) {
                before.union($0.messages.map(\.text)).count >= count ? () : nil
            }
        }
    }

    /// What was said by one and has arrived at the other, compared with what should have: exactly once, in order.
    func delivery(from speaker: Person, to listener: Person) -> Delivery {
        Delivery(said: (0..<speaker.sentCount).map { "\(speaker.name) \($0)" }, heard: listener.received)
    }
}

/// What became of a row of messages.
struct Delivery: Sendable {
    let lost: [String]
    let repeated: [String]
    let isInOrder: Bool
    let heard: [Journal.Message]

    init(said: [String], heard: [Journal.Message]) {
        self.heard = heard
        let texts = heard.map(\.text)
        let counts = Dictionary(texts.map { ($0, 1) }, uniquingKeysWith: +)
        lost = said.filter { counts[$0] == nil }
        repeated = counts.filter { $0.value > 1 }.keys.sorted()
        // Numbers rise; a repeated one is counted above and not here.
        let numbers = texts.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
        isInOrder = zip(numbers, numbers.dropFirst()).allSatisfy { $0 <= $1 }
    }

    var isPerfect: Bool { lost.isEmpty && repeated.isEmpty && isInOrder }

    /// The longest time between two messages that arrived one after the other since the given time.
    func longestGap(since start: ContinuousClock.Instant, until end: ContinuousClock.Instant = .now) -> Duration {
        let before = heard.last { $0.time <= start }?.time
        let times = (before.map { [$0] } ?? []) + heard.map(\.time).filter { $0 > start && $0 <= end }
        return zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? .zero
    }
}

extension Delivery: CustomStringConvertible {
    var description: String {
        "\(heard.count) heard, lost \(lost.prefix(5)) (\(lost.count)), repeated \(repeated.prefix(5)) "
            + "(\(repeated.count)), in order \(isInOrder)"
    }
}
