import Foundation
import Identity
import Logging
import NIOConcurrencyHelpers
import SignalingClient
import TestTools
import Testing
import Wire

@testable import SignalingServer

/// A server with a mailbox in a folder, which outlives it.
func withMailbox(
    in folder: TemporaryFolder, _ limits: MailboxLimits = limits(), _ body: (SignalingServer) async throws -> Void
) async throws {
    var mailbox = MailboxConfiguration(directory: folder.file("data"))
    mailbox.limits = limits
    try await withServer({ $0.mailbox = mailbox }, body)
}

/// Nobody is too fast, unless the test says so.
func limits(_ change: (inout MailboxLimits) -> Void = { _ in }) -> MailboxLimits {
    let unlimited = RateLimit(rate: 1_000_000, burst: 1_000_000)
    var limits = MailboxLimits()
    limits.mails = unlimited
    limits.requestsByLogin = unlimited
    limits.requestsByAddress = unlimited
    limits.publications = unlimited
    limits.prekeyFetches = unlimited
    limits.capabilityChanges = unlimited
    change(&limits)
    return limits
}

/// A client of a server with a mailbox, and what came from there.
final class MailClient: Sendable {
    let client: TestClient
    private let requests = NIOLockedValueBox<UInt32>(0)

    /// Logs in, and waits for MAILBOX.
    init(_ url: ServerURL, _ identity: Identity? = nil) async throws {
        client = try await TestClient.loggedIn(url, identity: identity)
        try await eventually("MAILBOX") { [client] in Self.frames(client).contains { $0.type == 0x10 } }
    }

    var key: PeerKey { client.key }
    var identity: Identity { client.identity }
    var frames: [MailFrame] { Self.frames(client) }

    private static func frames(_ client: TestClient) -> [MailFrame] {
        client.all.compactMap { if case .mail(let frame) = $0 { frame } else { nil } }
    }

    /// What MAILBOX said.
    var info: MailboxInfo {
        get throws {
            try #require(frames.lazy.compactMap { if case .mailbox(let info) = $0 { info } else { nil } }.first)
        }
    }

    /// The mails that have come, in order.
    var mails: [StoredMail] {
        frames.compactMap { frame in
            guard case .item(let mail, let time, let envelope) = frame else { return nil }
            return StoredMail(id: mail, storedAt: time, envelope: envelope)
        }
    }

    var envelopes: [[UInt8]] { mails.map(\.envelope) }

    /// Waits for so many mails.
    func mails(_ count: Int) async throws -> [StoredMail] {
        try await eventually("\(count) mails") { self.mails.count >= count }
        return mails
    }

    /// Sends a request with a number of its own; returns that.
    func ask(_ frame: (UInt32) -> MailFrame) async throws -> UInt32 {
        let request = requests.withLockedValue { number in
            number += 1
            return number
        }
        #expect(try await client.send(frame(request)))
        return request
    }

    /// The answer to a request.
    func answer(_ request: UInt32) async throws -> MailFrame {
        try await eventually("an answer to \(request)") { self.frames.contains { $0.request == request } }
        return try #require(frames.first { $0.request == request })
    }

    func call(_ frame: (UInt32) -> MailFrame) async throws -> MailFrame { try await answer(try await ask(frame)) }

    func acknowledge(_ mails: [StoredMail]) async throws {
        for start in stride(from: 0, to: mails.count, by: MailFrame.maximumAcknowledged) {
            let part = mails[start...].prefix(MailFrame.maximumAcknowledged)
            #expect(try await client.send(MailFrame.acknowledge(mails: part.map(\.id))))
        }
    }

    /// Registers capabilities; true when done.
    func take(
        _ capabilities: [[UInt8]], _ operation: CapabilityOperation = .add
    ) async throws -> Bool {
        let digests = try capabilities.map { try Capability.digest(of: $0) }
        let answer = try await call { .capabilities(request: $0, operation: operation, digests: digests) }
        return answer.type == 0x1B
    }

    /// Why a mail was not stored; nil when it was.
    func mail(
        _ recipient: PeerKey, _ capability: [UInt8], _ envelope: [UInt8]
    ) async throws -> MailRefusal? {
        Self.refusal(
            try await call { .mail(request: $0, recipient: recipient, capability: capability, envelope: envelope) })
    }

    /// Why a request was not stored; nil when it was.
    func request(_ recipient: PeerKey, _ envelope: [UInt8]) async throws -> MailRefusal? {
        Self.refusal(try await call { .requestMail(request: $0, recipient: recipient, envelope: envelope) })
    }

    private static func refusal(_ frame: MailFrame) -> MailRefusal? {
        switch frame {
        case .stored: return nil
        case .refused(_, let reason, _): return reason
        default:
            Issue.record("\(frame)")
            return nil
        }
    }

    func bundle(_ peer: PeerKey, _ capability: [UInt8] = MailFrame.noCapability) async throws -> [UInt8] {
        guard
            case .prekeys(_, let bundle) = try await call({
                .fetchPrekeys(request: $0, peer: peer, capability: capability)
            })
        else { throw Unmet(description: "no PREKEYS") }
        return bundle
    }

    func publish(_ publication: Publication) async throws {
        let answer = try await call { .publishPrekeys(request: $0, publication: publication.bytes) }
        #expect(answer.type == 0x1B)
    }

    func leave() { client.client.stop() }
}

/// Prekeys in the layout that servers know; what is in the records is nobody's business here.
struct Publication {
    let peer: PeerKey
    var batch: UInt8
    var signed: UInt8
    var oneTime: [UInt8]

    static func record(_ mark: UInt8) -> [UInt8] { [UInt8](repeating: mark, count: 1_292) }

    var bytes: [UInt8] {
        [1] + peer.bytes + [UInt8](repeating: batch, count: 16) + Self.record(signed) + [0, UInt8(oneTime.count)]
            + oneTime.flatMap(Self.record)
    }

    func bundle(_ oneTime: UInt8?) -> [UInt8] {
        [1] + peer.bytes + Self.record(signed) + (oneTime.map(Self.record) ?? [])
    }
}

/// A time that a test moves.
final class TestClock: Sendable {
    private let time = NIOLockedValueBox<UInt64>(1_800_000_000_000)
    var now: UInt64 { time.withLockedValue { $0 } }
    func advance(seconds: Int) { time.withLockedValue { $0 += UInt64(seconds) * 1000 } }
}
