import Identity
import NIOCore
import Peering
import Vault
package import Wire

// Measuring sessions: what we ask of a contact, and what a contact asks of us. Nothing of it touches the vault.

/// The benchmarks of a messenger: one of its own, and one of a contact's, at a time.
struct Benchmarks {
    var run: Ongoing<BenchmarkRun>?
    var service: Ongoing<BenchmarkService>?
    var ticker: RepeatedTask?
    /// Wanted, as soon as the contact has said what it speaks; given up at this time.
    var wanted: (peer: PeerID, milliseconds: UInt32, deadline: UInt64)?

    struct Ongoing<Benchmark> {
        let benchmark: Benchmark
        let stream: PeerStream
        let session: PeerSession
    }
}

extension Messenger {
    /// How often a benchmark looks at its clock.
    private static let tickMilliseconds: Int64 = 20
    /// Nanoseconds within which a contact says what it speaks.
    private static let helloTime: UInt64 = 10_000_000_000

    /// Whether this machine has the cipher.
    package static func offers(_ cipher: CipherName) -> Bool { CipherName.available.contains(cipher) }

    /// Measures the open session with a contact, each direction for `milliseconds` (at most 60,000). Everything else comes as
    /// ``MessengerEvent/benchmark(_:_:)``, last `finished` or `failed`.
    package func benchmark(_ contact: Contact, milliseconds: UInt32) {
        guard benchmarks.run == nil, benchmarks.wanted == nil else {
            return events.put(.benchmark(contact, .failed(.busy)))
        }
        benchmarks.wanted = (contact.peer, milliseconds, Self.monotonicClock() &+ Self.helloTime)
        keepTicking()
        tickBenchmarks()
    }

    /// The bits that a contact's HELLO gets from us.
    func features(for contact: Contact) -> UInt32 {
        let offers = options.offersBenchmarks && contact.state == .contact
        return ConversationFrame.speaksEnvelopes | (offers ? ConversationFrame.offersBenchmarks : 0)
    }

    // MARK: What happens

    /// Begins what is wanted, once the contact has said hello.
    private func beginWanted(now: UInt64) {
        guard let wanted = benchmarks.wanted, let conversation = conversations[wanted.peer] else { return }
        let contact = conversation.contact
        guard let session = conversation.session, let features = conversation.peerFeatures else {
            guard now >= wanted.deadline else { return }
            benchmarks.wanted = nil
            return events.put(.benchmark(contact, .failed(.silent)))
        }
        benchmarks.wanted = nil
        guard features & ConversationFrame.offersBenchmarks != 0, let stream = session.openStream() else {
            return events.put(.benchmark(contact, .failed(.notOffered)))
        }
        let before = session.summary
        let run = BenchmarkRun(
            stream, milliseconds: wanted.milliseconds, now: now, describe: { $0.describe(session, since: before) },
            tell: { [events] news in
                // Who does not keep up misses progress, nothing else.
                if case .progress = news, events.isFull { return }
                events.put(.benchmark(contact, news))
            })
        benchmarks.run = Benchmarks.Ongoing(benchmark: run, stream: stream, session: session)
    }

    func handle(_ event: PeerStreamEvent, of stream: PeerStream, in session: PeerSession) {
        let now = Self.monotonicClock()
        if case .opened = event {
            serve(stream, of: session, now: now)
        } else if let run = benchmarks.run, run.stream === stream {
            run.benchmark.handle(event, now: now)
        } else if let service = benchmarks.service, service.stream === stream {
            service.benchmark.handle(event, now: now)
        }
        dropFinished()
    }

    /// A contact wants to measure. Streams of other kinds are not wanted yet, and their kind is not known yet.
    private func serve(_ stream: PeerStream, of session: PeerSession, now: UInt64) {
        guard options.offersBenchmarks, let conversation = conversations[session.peer],
            conversation.session === session, conversation.contact.state == .contact
        else { return stream.abandon() }
        guard benchmarks.service == nil else {
            _ = stream.write(BenchmarkFrame.refused(.busy).encode()[...])
            return stream.finish()
        }
        let contact = conversation.contact
        let service = BenchmarkService(stream, now: now) { [events] news in events.put(.benchmark(contact, news)) }
        benchmarks.service = Benchmarks.Ongoing(benchmark: service, stream: stream, session: session)
        keepTicking()
    }

    func benchmarkPathChanged(in session: PeerSession) {
        if let run = benchmarks.run, run.session === session { run.benchmark.pathChanged() }
    }

    /// A session is over, and what was measured in it.
    func benchmarkSessionClosed(_ session: PeerSession, reason: String) {
        if let run = benchmarks.run, run.session === session { run.benchmark.fail(.interrupted(reason)) }
        if let service = benchmarks.service, service.session === session { service.benchmark.end() }
        dropFinished()
    }

    // MARK: Time

    private func keepTicking() {
        guard benchmarks.ticker == nil, !isStopped else { return }
        let interval = TimeAmount.milliseconds(Self.tickMilliseconds)
        benchmarks.ticker = loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [weak self] _ in
            self?.assumeIsolated { $0.tickBenchmarks() }
        }
    }

    private func tickBenchmarks() {
        let now = Self.monotonicClock()
        beginWanted(now: now)
        benchmarks.run?.benchmark.tick(now: now)
        benchmarks.service?.benchmark.tick(now: now)
        dropFinished()
    }

    private func dropFinished() {
        if benchmarks.run?.benchmark.isOver == true { benchmarks.run = nil }
        if benchmarks.service?.benchmark.isOver == true { benchmarks.service = nil }
        guard benchmarks.run == nil, benchmarks.service == nil, benchmarks.wanted == nil else { return }
        stopTicking()
    }

    /// Also when everything stops.
    func stopTicking() {
        benchmarks.ticker?.cancel()
        benchmarks.ticker = nil
    }
}

extension BenchmarkReport {
    fileprivate mutating func describe(_ session: PeerSession, since before: SessionSummary) {
        let summary = session.summary
        path = (session.currentPath ?? session.path).map { ConversationPath($0) }
        cipher = summary.cipher
        isHybrid = summary.isHybrid
        packetsSent = summary.packetsSent &- before.packetsSent
        bytesSent = summary.bytesSent &- before.bytesSent
    }
}
