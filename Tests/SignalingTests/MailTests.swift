import Identity
import NIOCore
import NIOPosix
import SignalingServer
import TestTools
import Testing
import Wire

@testable import SignalingClient

/// Mail frames between a client and its server.
@Suite struct MailTests {
    private static let capability = [UInt8](repeating: 0xCA, count: 16)

    /// A client that has logged in, and who stands between it and the server.
    private func withClient(_ body: (TestClient, Interloper) async throws -> Void) async throws {
        try await withServer { server in
            let interloper = try await Interloper(before: server)
            let client = try await TestClient.loggedIn(try interloper.url())
            interloper.keepToItself()
            try await body(client, interloper)
        }
    }

    private func serverFrames() throws -> [MailFrame] {
        let info = MailboxInfo(
            waiting: 2, oneTimeKeysLeft: 3, timeToLive: 4, quota: 5, generation: [UInt8](repeating: 6, count: 16))
        return [
            .mailbox(info), .stored(request: 1), .refused(request: 2, reason: .mailboxFull, retryAfter: 3),
            .item(mail: 4, storedAt: 5, envelope: [6]),
            .item(mail: 5, storedAt: 6, envelope: [UInt8](repeating: 7, count: MailFrame.maximumEnvelope)),
            .prekeys(request: 8, bundle: [9]), .prekeys(request: 9, bundle: []), .done(request: 10),
        ]
    }

    private func clientFrames() throws -> [MailFrame] {
        let peer = try Identity.generate().peerID.key
        return [
            .mail(
                request: 1, recipient: peer, capability: Self.capability,
                envelope: [UInt8](repeating: 7, count: MailFrame.maximumEnvelope)),
            .acknowledge(mails: [1, 2]), .publishPrekeys(request: 2, publication: [1]),
            .fetchPrekeys(request: 3, peer: peer, capability: Self.capability),
            .capabilities(request: 4, operation: .add, digests: [try Capability.digest(of: Self.capability)]),
            .requestMail(request: 5, recipient: peer, envelope: [1, 2, 3]),
        ]
    }

    @Test func deliversEveryFrameOfTheMailboxInOrder() async throws {
        try await withClient { client, server in
            let frames = try serverFrames()
            for frame in frames {
                server.say(try frame.encode())
                // What a later version says is passed over.
                server.say([0x1C, 1, 2, 3])
                server.say([0x1F])
            }
            for frame in frames { #expect(try await client.mail() == frame) }
        }
    }

    @Test func putsFragmentsOfMailTogether() async throws {
        try await withClient { client, server in
            let frame = try serverFrames()[4]
            let bytes = try frame.encode()
            server.say(Array(bytes.prefix(70_000)), fin: false)
            server.say(Array(bytes.dropFirst(70_000)), opcode: 0)
            #expect(try await client.mail() == frame)
        }
    }

    @Test(arguments: [[0x12, 0, 0], [0x10], [0x14, 1], [0x1B, 0, 0, 0, 1, 9], [0x18, 0]] as [[UInt8]])
    func endsWhenAFrameIsMalformed(bytes: [UInt8]) async throws {
        try await withClient { client, server in
            server.say(bytes)
            let reason = try await client.disconnect().0
            #expect(reason == .protocolError("malformed mail frame"))
        }
    }

    @Test(arguments: 0..<6)
    func endsWhenTheServerSaysWhatOnlyClientsSay(index: Int) async throws {
        try await withClient { client, server in
            server.say(try clientFrames()[index].encode())
            let reason = try await client.disconnect().0
            #expect(reason == .protocolError("a frame at the wrong time"))
        }
    }

    @Test func endsWhenAMessageIsLargerThanAnyMail() async throws {
        try await withClient { client, server in
            server.say([UInt8](repeating: 0x1F, count: MailFrame.maximumFrame + 1))
            let reason = try await client.disconnect().0
            #expect(reason == .protocolError("a frame is too large"))
        }
    }

    @Test func takesNoMailBeforeTheLogin() async throws {
        try await withServer { server in
            let early = try await Interloper(before: server, first: try MailFrame.stored(request: 1).encode())
            let client = try TestClient(try early.url())
            guard case .notSotto(let text) = try await client.disconnect().0 else {
                throw Unmet(description: "not refused")
            }
            #expect(text.contains("wrong time"))
            // What is skipped afterwards is skipped before.
            let unknown = try await Interloper(before: server, first: [0x1D])
            _ = try await TestClient.loggedIn(try unknown.url())
        }
    }

    @Test func sendsWhatAClientSays() async throws {
        try await withClient { client, server in
            let frames = try clientFrames()
            for frame in frames { #expect(try await client.send(frame)) }
            try await eventually("sent") { server.messages().count >= frames.count + 1 }
            let sent = try server.messages().dropFirst().map { try MailFrame.decode($0) }
            #expect(sent == frames)
        }
    }

    @Test func sendsNothingThatAClientDoesNotSay() async throws {
        try await withClient { client, server in
            for frame in try serverFrames() { #expect(try await !client.send(frame)) }
            #expect(try await !client.send(MailFrame.acknowledge(mails: [])))
            #expect(try await !client.send(MailFrame.publishPrekeys(request: 1, publication: [])))
            #expect(try await client.send(MailFrame.acknowledge(mails: [1])))
            try await eventually("sent") { server.messages().count >= 2 }
            let sent = try server.messages().dropFirst().map { try MailFrame.decode($0) }
            #expect(sent == [.acknowledge(mails: [1])])
        }
    }

    @Test func sendsNoMailWithoutALogin() async throws {
        let fake = try await FakeServer(nil, closes: false)
        let client = try TestClient(try fake.url())
        #expect(try await !client.send(MailFrame.acknowledge(mails: [1])))
    }

    @Test func keepsABoundedAmountAndSaysWhenThereIsRoom() async throws {
        try await withClient { client, server in
            try await server.setReading(false)
            let (peer, envelope) = (client.key, [UInt8](repeating: 1, count: 70_000))
            let send: @Sendable (Int, SignalingClient) -> Bool = { number, client in
                client.send(
                    MailFrame.mail(
                        request: UInt32(number), recipient: peer, capability: Self.capability, envelope: envelope))
            }
            // So many are more than the system keeps of a connection; what it takes it takes when the loop has its turn.
            var taken = 0
            while taken < 1_000, try await client.perform({ [taken] in send(taken, $0) }) { taken += 1 }
            let count = taken
            #expect((14..<1_000).contains(count))
            #expect(try await client.perform { !send(count, $0) })
            #expect(client.timesToldOfMailRoom == 0)
            // Nothing else waits behind so much mail.
            #expect(try await client.relay(to: peer, segmentSize: 1, [1]))
            try await server.setReading(true)
            try await client.next("room") { if case .mailWritable = $0 { () } else { nil } }
            #expect(try await client.perform { send(count, $0) })
            try await eventually("all are sent") { server.messages().filter { $0.first == 0x11 }.count == count + 1 }
            let requests = try server.messages().compactMap { try MailFrame.decode($0)?.request }
            #expect(requests == (0...UInt32(count)).map { $0 })
            #expect(client.timesToldOfMailRoom == 1)
        }
    }
}

/// The rules of the queue, without a network.
@Suite struct MailQueueTests {
    private func frame(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    @Test func givesTheChannelALittleAtATime() {
        var queue = MailQueue()
        let taken = (0..<4).map { _ in queue.append(frame(30_000)) }
        #expect(taken == [true, true, true, true])
        var given = (0..<3).map { _ in queue.next()?.count }
        #expect(given == [30_000, 30_000, nil])
        let isToTell = queue.written(30_000)
        #expect(!isToTell)
        given = (0..<2).map { _ in queue.next()?.count }
        #expect(given == [30_000, nil])
    }

    @Test func givesAFrameThatIsLargerThanTheWindow() {
        var queue = MailQueue()
        let large = MailFrame.maximumFrame
        let taken = [queue.append(frame(large)), queue.append(frame(1))]
        #expect(taken == [true, true])
        var given = (0..<2).map { _ in queue.next()?.count }
        #expect(given == [large, nil])
        _ = queue.written(large)
        given = (0..<2).map { _ in queue.next()?.count }
        #expect(given == [1, nil])
    }

    @Test func refusesWhatIsTooMuchAndTellsOnceThatThereIsRoom() {
        var queue = MailQueue()
        let taken = (0..<35).map { _ in queue.append(frame(1 << 15)) }
        #expect(taken == (0..<35).map { $0 < 32 })
        var answers: [Bool] = []
        while let next = queue.next() { answers.append(queue.written(next.count)) }
        #expect(answers == (0..<32).map { $0 == 15 })
        let isTakenAgain = queue.append(frame(1))
        #expect(isTakenAgain)
    }

    @Test func saysNothingToWhomItNeverRefused() {
        var queue = MailQueue()
        for _ in 0..<32 { _ = queue.append(frame(1 << 15)) }
        var answers: [Bool] = []
        while let next = queue.next() { answers.append(queue.written(next.count)) }
        #expect(answers == (0..<32).map { _ in false })
    }
}

extension TestClient {
    func mail() async throws -> MailFrame {
        try await next("mail") { if case .mail(let frame) = $0 { frame } else { nil } }
    }

    func send(_ frame: MailFrame) async throws -> Bool {
        try await perform { $0.send(frame) }
    }

    func perform<Result: Sendable>(_ body: @escaping @Sendable (SignalingClient) -> Result) async throws -> Result {
        try await client.eventLoop.submit { [client] in body(client) }.get()
    }

    /// How often it was told that there is room for mail.
    var timesToldOfMailRoom: Int {
        all.count { if case .mailWritable = $0 { true } else { false } }
    }
}
