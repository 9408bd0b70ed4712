import Dispatch
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Wire

/// The life of a client: attempts, waits, and the connection there is. Owned by its event loop.
final class ClientCore {
    private enum State {
        /// Nothing wanted, or nothing to be tried.
        case idle
        /// An attempt is under way; its channel may not exist yet.
        case connecting(Attempt)
        /// Logged in.
        case connected(ClientHandler, since: NIODeadline)
        /// The next attempt will come.
        case waiting(Scheduled<Void>)
    }

    /// One attempt, from resolving the name to WELCOME.
    private final class Attempt {
        /// The connection that won, once one has.
        var handler: ClientHandler?
        /// One for each address that is tried.
        var candidates: [ObjectIdentifier: ClientHandler] = [:]
        var timeout: Scheduled<Void>?
        /// Gives up what is done for the attempt off the event loop.
        var cancelErrand: (() -> Void)?
    }

    /// A question whether the server is still there.
    private struct Probe {
        let handler: ClientHandler
        /// When the server was last heard before it was asked.
        let heard: NIODeadline
        let timer: Scheduled<Void>
    }

    private let settings: ClientSettings
    private let eventLoop: any EventLoop
    /// For what blocks. Concurrent: a name server that does not answer holds nobody up but who asks it.
    private let errands = DispatchQueue(label: "sotto.signaling", attributes: .concurrent)
    private var state = State.idle
    private var backoff: Backoff
    private var tls: NIOSSLContext?
    private var probe: Probe?
    /// Gives up the lookup of other hosts' names.
    private var cancelLookUp: (() -> Void)?

    init(_ settings: ClientSettings, eventLoop: any EventLoop) {
        self.settings = settings
        self.eventLoop = eventLoop
        backoff = Backoff(first: settings.timing.firstRetry, last: settings.timing.lastRetry)
    }

    // MARK: What the owner says

    func start() {
        guard case .idle = state else { return }
        backoff.reset()
        connect()
    }

    func stop() {
        let old = state
        state = .idle
        probe.take()?.timer.cancel()
        cancelLookUp.take()?()
        switch old {
        case .idle: break
        case .waiting(let wait): wait.cancel()
        case .connecting(let attempt): abandon(attempt)
        case .connected(let handler, _): handler.close(.goingAway)
        }
    }

    /// Looks up names, all at the same time. What an earlier call asked for is not wanted any more.
    func lookUp(_ hosts: [HostName], receive: @escaping ([HostName: [IPAddress]]) -> Void) {
        cancelLookUp.take()?()
        let lookUp = settings.lookUp
        var found: [HostName: [IPAddress]] = [:]
        var missing = hosts.count
        let pending = hosts.map { host in
            Errand(for: eventLoop, on: errands) {
                lookUp(host, 1)
            } receive: { result in
                found[host] = ((try? result.get()) ?? []).compactMap { $0.endpoint?.address }
                missing -= 1
                if missing == 0 { receive(found) }
            }
        }
        cancelLookUp = { for errand in pending { errand.cancel() } }
    }

    func reconnectNow() {
        switch state {
        case .idle:
            break
        case .waiting(let wait):
            wait.cancel()
            backoff.reset()
            connect()
        case .connecting(let attempt):
            state = .idle
            abandon(attempt)
            connect()
        case .connected(let handler, _):
            if handler.hasLostItsAddress { ended(handler, .network("the network has changed")) } else { probe(handler) }
        }
    }

    func send(_ frame: SignalingFrame) -> Bool {
        guard case .connected(let handler, _) = state else { return false }
        return handler.send(frame)
    }

    func send(_ frame: MailFrame) -> Bool {
        guard case .connected(let handler, _) = state else { return false }
        return handler.send(frame)
    }

    func sendRelay(to peer: PeerKey, segmentSize: Int, packets: UnsafeRawBufferPointer) -> Bool {
        guard case .connected(let handler, _) = state else { return false }
        return handler.sendRelay(to: peer, segmentSize: segmentSize, packets: packets)
    }

    // MARK: Attempts

    private func connect() {
        let attempt = Attempt()
        state = .connecting(attempt)
        settings.events(.connecting)
        guard isCurrent(attempt) else { return }
        attempt.timeout = eventLoop.assumeIsolated().scheduleTask(in: settings.timing.connect) { [self] in
            failed(attempt, .network("the server does not answer"))
        }
        guard settings.url.isSecure, tls == nil else { return lookUp(attempt) }
        loadTrust(attempt)
    }

    /// Does for the attempt what blocks; `receive` is called if the attempt is still wanted then.
    private func run<Value: Sendable>(
        _ attempt: Attempt, _ work: @escaping @Sendable () -> Result<Value, SignalingDisconnect>,
        receive: @escaping (Value) -> Void
    ) {
        let errand = Errand(for: eventLoop, on: errands, work) { [self] result in
            guard isCurrent(attempt) else { return }
            switch result {
            case .success(let value): receive(value)
            case .failure(let reason): failed(attempt, reason)
            }
        }
        attempt.cancelErrand = errand.cancel
    }

    /// Reads the trusted certificates, which takes a while, elsewhere.
    private func loadTrust(_ attempt: Attempt) {
        let trust = settings.trust
        run(attempt) {
            Result { () throws(SignalingDisconnect) in try trust.makeContext() }
        } receive: { [self] context in
            tls = context
            lookUp(attempt)
        }
    }

    /// Finds the server's addresses.
    private func lookUp(_ attempt: Attempt) {
        let (host, port, lookUp) = (settings.url.host, settings.url.port, settings.lookUp)
        if let address = host.address,
            let known = try? SocketAddress(ipAddress: address.description, port: Int(port))
        {
            return dial(attempt, [known])
        }
        run(attempt) {
            lookUp(host, port)
        } receive: { [self] addresses in
            dial(attempt, addresses)
        }
    }

    private func dial(_ attempt: Attempt, _ addresses: [SocketAddress]) {
        let url = settings.url
        let bound = NIOLoopBound((core: self, attempt: attempt), eventLoop: eventLoop)
        let tls = tls
        ClientBootstrap(group: eventLoop)
            .resolver(HostAddresses(eventLoop: eventLoop, addresses: addresses))
            .connectTimeout(settings.timing.connect)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 2048, maximum: 65536)
            )
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 * 1024, high: 256 * 1024))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (core, attempt) = bound.value
                    let handler = core.makeHandler(channel)
                    attempt.candidates[ObjectIdentifier(channel)] = handler
                    try ClientHandler.configure(channel, handler, url: url, tls: tls)
                }
            }
            .connect(host: url.host.text, port: Int(url.port))
            .assumeIsolated()
            .whenComplete { [self] result in dialed(attempt, result) }
    }

    private func dialed(_ attempt: Attempt, _ result: Result<any Channel, any Error>) {
        switch result {
        case .success(let channel):
            guard isCurrent(attempt), let handler = attempt.candidates[ObjectIdentifier(channel)] else {
                channel.close(promise: nil)
                return
            }
            attempt.candidates = [:]
            attempt.handler = handler
            if let outcome = handler.outcome { failed(attempt, outcome) }
        case .failure(let error):
            failed(attempt, ConnectFailure.reason(error))
        }
    }

    private func makeHandler(_ channel: any Channel) -> ClientHandler {
        let handler = ClientHandler(settings, channel: channel)
        handler.onWelcome = { [weak self] handler, welcome in self?.welcomed(handler, welcome) }
        handler.onEnd = { [weak self] handler, reason, retryAfter in self?.ended(handler, reason, retryAfter) }
        return handler
    }

    private func isCurrent(_ attempt: Attempt) -> Bool {
        if case .connecting(let current) = state { current === attempt } else { false }
    }

    /// Lets go of an attempt that is not the current one any more.
    private func abandon(_ attempt: Attempt) {
        attempt.timeout?.cancel()
        attempt.cancelErrand.take()?()
        attempt.handler?.close(.goingAway)
        attempt.candidates = [:]
    }

    private func failed(_ attempt: Attempt, _ reason: SignalingDisconnect, _ retryAfter: TimeAmount? = nil) {
        guard isCurrent(attempt) else { return }
        state = .idle
        abandon(attempt)
        wait(after: reason, retryAfter)
    }

    // MARK: The connection

    private func welcomed(_ handler: ClientHandler, _ welcome: Welcome) {
        guard case .connecting(let attempt) = state, attempt.handler === handler else { return }
        attempt.timeout?.cancel()
        state = .connected(handler, since: .now())
        settings.logger.debug("logged in to the signaling server")
        settings.events(.connected(welcome, local: handler.localEndpoint, remote: handler.remoteEndpoint))
    }

    private func ended(_ handler: ClientHandler, _ reason: SignalingDisconnect, _ retryAfter: TimeAmount? = nil) {
        switch state {
        case .connecting(let attempt) where attempt.handler === handler:
            failed(attempt, reason, retryAfter)
        case .connected(let current, let since) where current === handler:
            state = .idle
            probe.take()?.timer.cancel()
            if NIODeadline.now() >= since + settings.timing.stable { backoff.reset() }
            handler.close(.goingAway)
            wait(after: reason, retryAfter)
        default:
            break
        }
    }

    /// Plans the next attempt, and says so.
    private func wait(after reason: SignalingDisconnect, _ retryAfter: TimeAmount?) {
        guard !reason.isFatal else {
            settings.events(.disconnected(reason, retryIn: nil))
            return
        }
        let delay = max(backoff.next(chance: .random(in: 0..<1)), min(retryAfter ?? .zero, .minutes(5)))
        state = .waiting(
            eventLoop.assumeIsolated().scheduleTask(in: delay) { [weak self] in
                guard let self, case .waiting = self.state else { return }
                self.connect()
            })
        settings.logger.debug("disconnected from the signaling server", metadata: ["reason": "\(reason)"])
        settings.events(.disconnected(reason, retryIn: Double(delay.nanoseconds) * 1e-9))
    }

    /// Asks for a sign of life, and connects anew if none comes.
    private func probe(_ handler: ClientHandler) {
        probe?.timer.cancel()
        handler.ping()
        probe = Probe(
            handler: handler, heard: handler.lastHeard,
            timer: eventLoop.assumeIsolated().scheduleTask(in: settings.timing.probe) { [weak self] in
                self?.endProbe()
            })
    }

    /// The server has had its time to answer.
    func endProbe() {
        guard let probe = probe.take() else { return }
        probe.timer.cancel()
        guard probe.handler.lastHeard == probe.heard else { return }
        ended(probe.handler, .network("the network has changed"))
    }
}
