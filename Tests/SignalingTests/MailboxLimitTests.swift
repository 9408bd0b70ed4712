import Identity
import NIOCore
import SignalingClient
import TestTools
import Testing
import Wire

@testable import SignalingServer

/// What one may leave with a mailbox, and how fast.
@Suite struct MailboxLimitTests {
    private static let capability = [UInt8](repeating: 0xCA, count: 16)
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("mailbox") }

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let change: @Sendable (inout MailboxLimits) -> Void
        /// For the mail that is too much.
        let refusal: MailRefusal
        /// Whether another sender's mail is refused as well.
        let isForAll: Bool
        var testDescription: String { name }
    }

    static let quotas = [
        Case(name: "mails of all", change: { $0.recipient.items = 3 }, refusal: .mailboxFull, isForAll: true),
        Case(name: "bytes of all", change: { $0.recipient.bytes = 3_999 }, refusal: .mailboxFull, isForAll: true),
        Case(name: "mails of one", change: { $0.sender.items = 3 }, refusal: .senderQuota, isForAll: false),
        Case(name: "bytes of one", change: { $0.sender.bytes = 3_999 }, refusal: .senderQuota, isForAll: false),
    ]

    @Test(arguments: quotas)
    func refusesWhatIsTooMuchUntilThereIsRoom(quota: Case) async throws {
        try await withMailbox(in: folder, limits(quota.change)) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            let other = [UInt8](repeating: 2, count: 16)
            #expect(try await bob.take([Self.capability, other]))
            let envelope = [UInt8](repeating: 1, count: 1_000)
            for _ in 0..<3 { #expect(try await alice.mail(bob.key, Self.capability, envelope) == nil) }
            #expect(try await alice.mail(bob.key, Self.capability, envelope) == quota.refusal)
            let others = try await alice.mail(bob.key, other, envelope)
            #expect(others == (quota.isForAll ? .mailboxFull : nil))
            // To take a capability away and give it again is no way around.
            #expect(try await bob.take([Self.capability], .remove))
            #expect(try await bob.take([Self.capability]))
            #expect(try await alice.mail(bob.key, Self.capability, envelope) == quota.refusal)
            try await bob.acknowledge([try await bob.mails(1)[0]])
            try await eventually("deleted") { server.metrics.value("mail_delivered_total") == 1 }
            #expect(try await alice.mail(bob.key, Self.capability, envelope) == nil)
            #expect(try await alice.mail(bob.key, Self.capability, envelope) == quota.refusal)
        }
    }

    @Test func strangersMayLeaveFewSmallRequests() async throws {
        try await withMailbox(in: folder) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await alice.request(bob.key, [1]) == .unknownRecipient)
            #expect(try await bob.take([]))
            for number in UInt8(0)..<16 { #expect(try await alice.request(bob.key, [number]) == nil) }
            #expect(try await alice.request(bob.key, [16]) == .mailboxFull)
            // Who has a capability is not kept out by strangers.
            #expect(try await bob.take([Self.capability]))
            #expect(try await alice.mail(bob.key, Self.capability, [17]) == nil)
            let mails = try await bob.mails(17)
            #expect(mails.map(\.envelope) == (0..<16).map { [$0] } + [[17]])
            try await bob.acknowledge(mails)
            try await eventually("deleted") { server.metrics.value("mail_delivered_total") == 17 }
            #expect(try await alice.request(bob.key, [18]) == nil)
        }
    }

    @Test func strangersMustBeSlowByLoginAndByAddress() async throws {
        let slow = RateLimit(rate: 0.001, burst: 2)
        try await withMailbox(in: folder, limits { $0.requestsByLogin = slow }) { server in
            let (alice, bob) = (try await MailClient(try server.url), try await MailClient(try server.url))
            #expect(try await bob.take([]))
            for _ in 0..<2 { #expect(try await alice.request(bob.key, [1]) == nil) }
            guard
                case .refused(_, .tooFast, let retryAfter) = try await alice.call({
                    .requestMail(request: $0, recipient: bob.key, envelope: [1])
                })
            else { throw Unmet(description: "not refused") }
            #expect((900_000...1_000_000).contains(retryAfter))
            #expect(try await bob.request(bob.key, [1]) == nil)
        }
        try await withMailbox(in: folder, limits { $0.requestsByAddress = slow }) { server in
            let bob = try await MailClient(try server.url)
            #expect(try await bob.take([]))
            for number in 0..<4 {
                let stranger = try await MailClient(try server.url)
                #expect(try await stranger.request(bob.key, [1]) == (number < 2 ? nil : .tooFast))
            }
        }
    }

    @Test func whoIsTooFastIsToldWhenToComeAgain() async throws {
        let slow = RateLimit(rate: 0.001, burst: 1)
        let slowly = limits {
            $0.mails = slow
            $0.publications = slow
            $0.prekeyFetches = slow
            $0.capabilityChanges = slow
        }
        try await withMailbox(in: folder, slowly) { server in
            let bob = try await MailClient(try server.url)
            let publication = Publication(peer: bob.key, batch: 1, signed: 2, oneTime: [])
            let requests: [@Sendable (UInt32) -> MailFrame] = [
                { .capabilities(request: $0, operation: .add, digests: []) },
                { .mail(request: $0, recipient: bob.key, capability: Self.capability, envelope: [1]) },
                { .publishPrekeys(request: $0, publication: publication.bytes) },
                { .fetchPrekeys(request: $0, peer: bob.key, capability: Self.capability) },
            ]
            for request in requests {
                let first = try await bob.call(request)
                if case .refused(_, .tooFast, _) = first { Issue.record("\(first)") }
                guard case .refused(_, .tooFast, let retryAfter) = try await bob.call(request) else {
                    throw Unmet(description: "not refused")
                }
                #expect(retryAfter > 900_000)
            }
        }
    }

    @Test func onlySoManyRequestsOfAConnectionWaitForTheStore() async throws {
        var session = MailSession(MailboxLimits(), now: .now())
        let mail = MailFrame.mail(
            request: 1, recipient: try Identity.generate().peerID.key, capability: Self.capability, envelope: [1])
        for _ in 0..<512 { try session.begin(mail, cost: 10, now: .now()) }
        #expect(throws: MailSession.Refused.self) { try session.begin(mail, cost: 10, now: .now()) }
        session.end(cost: 10)
        try session.begin(mail, cost: 4 << 20, now: .now())
        session.end(cost: 10)
        // Now there are too many bytes.
        #expect(throws: MailSession.Refused.self) { try session.begin(mail, cost: 1, now: .now()) }
    }

    @Test func whoDoesNotReadItsAnswersIsNotReadFrom() async throws {
        try await withMailbox(in: folder) { server in
            let bob = try await MailClient(try server.url)
            let publication = Publication(peer: bob.key, batch: 1, signed: 2, oneTime: [])
            try await bob.publish(publication)
            let (raw, _) = try await RawConnection.loggedIn(server, receiveBuffer: 4096)
            try await raw.setReading(false)
            let request = MailFrame.fetchPrekeys(request: 1, peer: bob.key, capability: MailFrame.noCapability)
            let bytes = RawConnection.frame(2, try request.encode())
            // Their answers are far more than all buffers on the way hold.
            let count = 20_000
            let flood = Task { try await raw.send((0..<count).flatMap { _ in bytes }) }
            try await eventually("the server has stopped reading") {
                (server.metrics.value("mail_pauses_total") ?? 0) > 0
            }
            try await raw.setReading(true)
            try await flood.value
            var answers = 0
            while answers < count {
                switch try MailFrame.decode(try await raw.readFrame().payload) {
                case .prekeys(_, let bundle):
                    #expect(bundle == publication.bundle(nil))
                    answers += 1
                case .refused(_, .tooFast, _): answers += 1
                default: break
                }
            }
        }
    }
}
