import Foundation
import Identity
import Wire

// Measures the mailbox of a running server that nobody else uses, and prints figures as one object of JSON.
//
//   mailbox-bench URL [MAILS [BYTES [SENDERS]]]
//
// Every mail is on the server's disk when it counts as stored, and deleted from there when it counts as fetched. The server
// needs limits that let so many pass: --mails-per-second, --mail-sender-items, --mail-quota-items, --mail-quota-bytes.

func milliseconds(_ duration: Duration) -> Double { duration / .milliseconds(1) }

func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

func measure(_ url: ServerURL, mails: Int, bytes: Int, senders: Int) async throws -> [String: Double] {
    let capability = [UInt8](repeating: 0xCA, count: 16)
    let recipient = try Identity.generate()
    let key = recipient.peerID.key
    let own = Connection(url, recipient)
    try await own.wait(\.isReady)
    let digest = try Capability.digest(of: capability)
    _ = try await own.send(1, window: 1) { .capabilities(request: $0, operation: .add, digests: [digest]) }
    own.stop()

    let envelope = (0..<bytes).map { _ in UInt8.random(in: 0...255) }
    let mail: @Sendable (UInt32) -> MailFrame = {
        .mail(request: $0, recipient: key, capability: capability, envelope: envelope)
    }
    let connections = try (0..<senders).map { _ in Connection(url, try Identity.generate()) }
    for connection in connections { try await connection.wait(\.isReady) }
    let each = max(1, mails / senders)
    // No more than a client keeps for its connection.
    let window = min(256, max(1, 900_000 / (bytes + 64)))
    var results: [String: Double] = ["mail_bytes": Double(bytes), "mails": Double(each * senders)]

    let storing = ContinuousClock.now
    try await withThrowingTaskGroup(of: Void.self) { group in
        for connection in connections {
            group.addTask { _ = try await connection.send(each, window: window, mail) }
        }
        try await group.waitForAll()
    }
    results["mailbox_stored_per_second"] = rounded(
        Double(each * senders) * 1000 / milliseconds(storing.duration(to: .now)))

    let fetching = ContinuousClock.now
    let there = Connection(url, recipient)
    try await there.wait(\.isReady)
    guard there.waiting == each * senders else { throw Failure(description: "\(there.waiting) mails wait") }
    try await there.wait { $0.received == each * senders }
    // Is answered after everything before it was carried out.
    _ = try await there.send(1, window: 1) {
        .fetchPrekeys(request: $0, peer: key, capability: MailFrame.noCapability)
    }
    results["mailbox_fetched_per_second"] = rounded(
        Double(each * senders) * 1000 / milliseconds(fetching.duration(to: .now)))
    there.stop()

    let times = try await connections[0].send(200, window: 1, mail).sorted()
    results["mailbox_store_ms_p50"] = rounded(milliseconds(times[times.count / 2]))
    results["mailbox_store_ms_p99"] = rounded(milliseconds(times[times.count * 99 / 100]))
    for connection in connections { connection.stop() }
    let again = Connection(url, recipient)
    try await again.wait(\.isReady)
    guard again.waiting == 200 else { throw Failure(description: "\(again.waiting) mails wait instead of 200") }
    again.stop()
    return results
}

do {
    let arguments = CommandLine.arguments
    func number(_ index: Int, _ fallback: Int) -> Int {
        arguments.count > index ? max(1, Int(arguments[index]) ?? fallback) : fallback
    }
    guard arguments.count > 1 else { throw Failure(description: "usage: mailbox-bench URL [MAILS [BYTES [SENDERS]]]") }
    let results = try await measure(
        try ServerURL(arguments[1]), mails: number(2, 40_000), bytes: min(number(3, 1_024), MailFrame.maximumEnvelope),
        senders: number(4, 4))
    let json = try JSONSerialization.data(withJSONObject: results, options: [.sortedKeys])
    print(String(decoding: json, as: UTF8.self))
} catch {
    FileHandle.standardError.write(Data("mailbox-bench: \(error)\n".utf8))
    exit(1)
}
