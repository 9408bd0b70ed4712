// Structures of sockets reach Swift through the headers of libnice.
import CNice
import Glibc
import TestTools
import Testing
import Wire

@testable import ICE

/// How long ``ICETests/SteeringUnderLoad`` keeps up its load, in seconds beyond some rounds: for long runs by hand.
let loadSeconds = getenv("SOTTO_TEST_LOAD_SECONDS").flatMap { Int(String(cString: $0)) }.map { max(0, $0) } ?? 0

/// All suites of the driver, one test after the other: some count descriptors and threads of the whole process.
@Suite(.serialized, .timeLimit(.minutes(3 + loadSeconds / 60))) struct ICETests {}

let loopback = IPAddress.v4(127, 0, 0, 1)

struct DeadlinePassed: Error {}

/// The events of one agent, to be waited for.
final class Recorder: Sendable {
    private struct State: Sendable {
        var events: [ICEEvent] = []
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Locked(State())

    var events: [ICEEvent] { state.withLock { $0.events } }

    func record(_ event: ICEEvent) {
        let waiting = state.withLock { state in
            state.events.append(event)
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// What `find` returns as soon as it is not nil; throws after the deadline.
    func wait<T: Sendable>(
        seconds: Int = 20, _ find: @escaping @Sendable ([ICEEvent]) -> T?
    ) async throws -> T {
        let deadline = ContinuousClock.now + .seconds(seconds)
        let alarm = Alarm(at: deadline) { self.wake() }
        defer { alarm.cancel() }
        while true {
            if let found = find(events) { return found }
            guard ContinuousClock.now < deadline else { throw DeadlinePassed() }
            await withCheckedContinuation { continuation in
                let isNew = state.withLock { state in
                    if find(state.events) != nil || ContinuousClock.now >= deadline { return true }
                    state.waiting.append(continuation)
                    return false
                }
                if isNew { continuation.resume() }
            }
        }
    }

    private func wake() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

extension [ICEEvent] {
    var localCandidates: [Candidate] {
        compactMap { if case .localCandidate(let candidate) = $0 { candidate } else { nil } }
    }

    var pairs: [SelectedPair] {
        compactMap { if case .selectedPair(let pair) = $0 { pair } else { nil } }
    }

    var packets: [[UInt8]] {
        compactMap { if case .packet(let packet) = $0 { packet } else { nil } }
    }

    func count(_ name: EventName) -> Int {
        count { name.matches($0) }
    }
}

enum EventName: Sendable, CaseIterable {
    case localCandidate, gatheringDone, selectedPair, failed, packet, closed

    func matches(_ event: ICEEvent) -> Bool {
        switch (self, event) {
        case (.localCandidate, .localCandidate), (.gatheringDone, .gatheringDone), (.selectedPair, .selectedPair),
            (.failed, .failed), (.packet, .packet), (.closed, .closed):
            true
        default: false
        }
    }
}

/// An agent on loopback with its recorder.
struct Peer: Sendable {
    let agent: ICEAgent
    let recorder: Recorder

    init(
        _ loop: ICELoop, _ role: ICEConfiguration.Role, stunServers: [Endpoint] = [], turnServers: [TURNServer] = [],
        localAddresses: [IPAddress]? = [loopback], relayedOnly: Bool = false,
        also: (@Sendable (ICEEvent) -> Void)? = nil
    ) {
        let recorder = Recorder()
        self.recorder = recorder
        agent = ICEAgent(
            loop: loop,
            configuration: ICEConfiguration(
                role: role, stunServers: stunServers, turnServers: turnServers, localAddresses: localAddresses,
                relayedOnly: relayedOnly)
        ) { event in
            recorder.record(event)
            also?(event)
        }
    }

    func wait(for name: EventName) async throws {
        try await recorder.wait { $0.count(name) > 0 ? () : nil }
    }

    func pair() async throws -> SelectedPair {
        try await recorder.wait { $0.pairs.last }
    }

    func closed() async throws {
        agent.close()
        try await wait(for: .closed)
    }

    /// All local candidates, when gathering is done.
    func gathered() async throws -> [Candidate] {
        agent.gather()
        return try await recorder.wait { $0.count(.gatheringDone) > 0 ? $0.localCandidates : nil }
    }
}

/// Gathers on both, signals everything, and waits for a pair on both.
@discardableResult
func connect(_ alice: Peer, _ bob: Peer) async throws -> (alice: SelectedPair, bob: SelectedPair) {
    let (ofAlice, ofBob) = (try await alice.gathered(), try await bob.gathered())
    alice.agent.setRemoteCredentials(bob.agent.localCredentials)
    bob.agent.setRemoteCredentials(alice.agent.localCredentials)
    alice.agent.addRemoteCandidates(ofBob)
    bob.agent.addRemoteCandidates(ofAlice)
    alice.agent.endRemoteCandidates()
    bob.agent.endRemoteCandidates()
    return (try await alice.pair(), try await bob.pair())
}

/// Waits for a condition of the process that nobody announces.
func eventually(seconds: Int = 20, _ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while !condition() {
        guard ContinuousClock.now < deadline else { throw DeadlinePassed() }
        try await nextLook(after: 1)
    }
}

/// A UDP socket on loopback that answers nobody.
final class SilentSocket: Sendable {
    let descriptor: Int32
    let endpoint: Endpoint

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(bound)
        endpoint = Endpoint(address: loopback, port: UInt16(bigEndian: address.sin_port))
    }

    func send(_ bytes: [UInt8], to receiver: Endpoint) {
        SilentSocket.withAddress(receiver.port) { address, length in
            _ = sendto(descriptor, bytes, bytes.count, 0, address, length)
        }
    }

    /// Lends the socket's own address.
    func withAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        SilentSocket.withAddress(endpoint.port, body)
    }

    /// What has arrived; on loopback that is all that was sent.
    func receiveAll() -> [[UInt8]] {
        var datagrams: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else { return datagrams }
            datagrams.append(Array(buffer[..<count]))
        }
    }

    private static func withAddress<R>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    deinit { Glibc.close(descriptor) }
}

/// What the kernel says of this process.
enum Process {
    static var descriptors: Int { entries("/proc/self/fd") }
    static var threads: Int { entries("/proc/self/task") }

    /// Resident memory in bytes.
    static var residentBytes: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, 128, file) != nil else { return 0 }
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * Int(getpagesize())
    }

    /// Whether AddressSanitizer or ThreadSanitizer watches.
    static var isSanitized: Bool { dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil }

    /// Names of the threads that run now.
    static var threadNames: [String] {
        names("/proc/self/task").compactMap { id in
            guard let file = fopen("/proc/self/task/\(id)/comm", "r") else { return nil }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 64)
            guard fgets(&line, 64, file) != nil else { return nil }
            return String(decoding: line.prefix { $0 > 31 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    private static func entries(_ path: String) -> Int { names(path).count }

    private static func names(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }
}
