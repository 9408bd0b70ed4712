import CNice
import CSotto
import Synchronization
import Wire

/// One agent of libnice and what surrounds it.
// Safety: made on any thread, and from `open()` on touched by the loop's thread only; `shared` is Sendable by itself.
final class AgentCore: @unchecked Sendable {
    enum Phase {
        case new, open, closing, closed
    }

    /// The only stream has one component.
    static let component: guint = 1
    /// A peer that knows the password could have us note candidates without end by sending checks from new addresses.
    static let maximumLearned = 256
    /// libnice reads a socket until it is empty; after so many packets other agents and jobs get their turn.
    static let maximumBurst = 256
    /// Before sockets and credentials are there. More than `RemoteCandidates.maximum`, since some will not be of use.
    static let maximumPending = 256
    /// How long checks must have rested before all pairs count as failed, in milliseconds. libnice's own 5 s would double
    /// the time to a new attempt.
    static let idleTimeout: guint = 2000
    /// How long TURN servers have to answer that an allocation is gone, in milliseconds.
    static let releaseTimeout: guint = 3000

    let shared: AgentShared
    let loop: LoopCore
    let configuration: ICEConfiguration
    private let credentials: ICECredentials
    private let events: @Sendable (ICEEvent) -> Void

    var phase = Phase.new
    /// Valid while `phase` is open or closing.
    var agent: OpaquePointer?
    var stream: guint = 0

    private var hasStartedGathering = false
    private var hasFinishedGathering = false
    private var localAddresses: Set<IPAddress> = []

    private var remoteCredentials: ICECredentials?
    private var remote = RemoteCandidates()
    private var pending: [Candidate] = []
    private var remoteHasEnded = false
    private var learned = 0

    private var pair: (local: Endpoint, remote: Endpoint)?
    private var componentHasFailed = false
    private var hasReportedFailure = false
    private var awaitsHope = false
    private var burst = 0

    var id: UInt { shared.id }

    init(
        shared: AgentShared, loop: LoopCore, configuration: ICEConfiguration, credentials: ICECredentials,
        events: @escaping @Sendable (ICEEvent) -> Void
    ) {
        self.shared = shared
        self.loop = loop
        self.configuration = configuration
        self.credentials = credentials
        self.events = events
    }

    func emit(_ event: ICEEvent) {
        guard !shared.isClosing.load(ordering: .relaxed) else { return }
        events(event)
    }

    func emitClosed() {
        events(.closed)
    }

    // MARK: Commands

    func open() {
        guard phase == .new else { return }
        loop.add(id)
        guard !loop.isStopping, let agent = makeAgent() else { return finishClosing() }
        self.agent = agent
        phase = .open
        stream = nice_agent_add_stream(agent, AgentCore.component)
        nice_agent_set_local_credentials(agent, stream, credentials.ufrag, credentials.password)
        readPackets(true)
        for server in configuration.turnServers.prefix(8) {
            nice_agent_set_relay_info(
                agent, stream, AgentCore.component, server.endpoint.address.description, guint(server.endpoint.port),
                server.username, server.credential, server.tcp ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP)
        }
    }

    func gather() {
        guard phase == .open, !hasStartedGathering, let agent else { return }
        hasStartedGathering = true
        var addresses = configuration.localAddresses ?? []
        // libnice binds repeated ones again.
        var seen: Set<IPAddress> = []
        addresses.removeAll { !seen.insert($0).inserted }
        add(addresses.prefix(64), to: agent)
        var found = configuration.localAddresses?.isEmpty != true && nice_agent_gather_candidates(agent, stream) != 0
        if !found, configuration.localAddresses == nil {
            // No network at all: two programs of this host can still talk.
            add([.v4(127, 0, 0, 1), .v6(0, 0, 0, 0, 0, 0, 0, 1)], to: agent)
            found = nice_agent_gather_candidates(agent, stream) != 0
        }
        if !found { finishedGathering() }
        applyRemote()
    }

    func setRemoteCredentials(_ credentials: ICECredentials) {
        guard phase == .open, remoteCredentials == nil, let agent else { return }
        remoteCredentials = credentials
        nice_agent_set_remote_credentials(agent, stream, credentials.ufrag, credentials.password)
        applyRemote()
    }

    func addRemoteCandidates(_ candidates: [Candidate]) {
        guard phase == .open else { return }
        pending.append(contentsOf: candidates.prefix(AgentCore.maximumPending - pending.count))
        applyRemote()
    }

    func endRemoteCandidates() {
        guard phase == .open, !remoteHasEnded, let agent else { return }
        remoteHasEnded = true
        // Does nothing in libnice 0.1.21; a later one may wait for it.
        nice_agent_peer_candidate_gathering_done(agent, stream)
        reportFailure()
    }

    func sendQueued() {
        let packets = shared.outgoing.withLock { $0.takeAll() }
        guard phase == .open, let agent else { return }
        for packet in packets {
            packet.withUnsafeBytes { bytes in
                _ = nice_agent_send(
                    agent, stream, AgentCore.component, guint(bytes.count),
                    bytes.assumingMemoryBound(to: CChar.self).baseAddress)
            }
        }
    }

    // MARK: Heard from libnice

    func foundLocal(_ candidate: Candidate) {
        guard phase == .open else { return }
        guard !configuration.relayedOnly || candidate.type == .relayed else { return }
        localAddresses.insert(candidate.endpoint.address)
        emit(.localCandidate(candidate))
    }

    func learnedRemote() {
        learned += 1
        guard phase == .open, learned == AgentCore.maximumLearned else { return }
        fail()
        let id = id
        loop.post { AgentRegistry.agent(id)?.close() }
    }

    func finishedGathering() {
        guard phase == .open, !hasFinishedGathering else { return }
        hasFinishedGathering = true
        emit(.gatheringDone)
        reportFailure()
    }

    /// The pair of the signal may be outdated when it is delivered: ask for the one that holds now.
    func selectedPairChanged() {
        guard phase == .open, let agent else { return }
        var localCandidate: UnsafeMutablePointer<NiceCandidate>?
        var remoteCandidate: UnsafeMutablePointer<NiceCandidate>?
        guard nice_agent_get_selected_pair(agent, stream, AgentCore.component, &localCandidate, &remoteCandidate) != 0,
            let local = localCandidate?.pointee, let remote = remoteCandidate?.pointee,
            let localType = local.kind, let remoteType = remote.kind,
            let localEndpoint = local.endpoint, let remoteEndpoint = remote.endpoint
        else { return }
        if let pair, pair == (localEndpoint, remoteEndpoint) { return }
        pair = (localEndpoint, remoteEndpoint)
        var socket: PairSocket?
        if localType != .relayed {
            let descriptor = sotto_nice_agent_dup_selected_socket(agent, stream, AgentCore.component)
            var address = remote.addr
            if descriptor >= 0 { socket = PairSocket(owning: descriptor, remote: SocketAddress(&address)) }
        }
        emit(
            .selectedPair(
                SelectedPair(
                    local: localEndpoint, remote: remoteEndpoint, localType: localType, remoteType: remoteType,
                    socket: socket)))
    }

    func stateChanged(hasFailed: Bool) {
        componentHasFailed = hasFailed
        reportFailure()
    }

    func received(_ packet: UnsafeRawBufferPointer) {
        burst += 1
        if burst == AgentCore.maximumBurst {
            // Without a callback libnice leaves its reading loop.
            readPackets(false)
            let id = id
            loop.post { AgentRegistry.agent(id)?.resumeReading() }
        }
        guard phase == .open else { return }
        emit(.packet([UInt8](packet)))
    }

    // MARK: Steps

    func readPackets(_ reads: Bool) {
        guard let agent, stream != 0 else { return }
        nice_agent_attach_recv(
            agent, stream, AgentCore.component, loop.context, reads ? NiceCallbacks.received : nil,
            AgentRegistry.pointer(id))
    }

    private func resumeReading() {
        burst = 0
        guard phase == .open || phase == .closing else { return }
        readPackets(true)
    }

    private func add(_ addresses: some Sequence<IPAddress>, to agent: OpaquePointer) {
        for address in addresses {
            var address = NiceAddress(Endpoint(address: address, port: 0))
            nice_agent_add_local_address(agent, &address)
        }
    }

    private func applyRemote() {
        guard hasStartedGathering, remoteCredentials != nil, let agent else { return }
        let reachesLoopback = localAddresses.contains { $0.isLoopback }
        var list: UnsafeMutablePointer<GSList>?
        for candidate in pending where remote.admit(candidate, reachesLoopback: reachesLoopback) {
            if let made = makeNiceCandidate(candidate) { list = g_slist_append(list, made) }
        }
        pending = []
        if list != nil { nice_agent_set_remote_candidates(agent, stream, AgentCore.component, list) }
        while let first = list {
            nice_candidate_free(first.pointee.data?.assumingMemoryBound(to: NiceCandidate.self))
            list = g_slist_delete_link(first, first)
        }
        reportFailure()
    }

    /// libnice says FAILED only when it had pairs to try, and with trickling peers while candidates are still to come.
    private func reportFailure() {
        guard phase == .open else { return }
        if pair != nil {
            if componentHasFailed { fail() }
        } else if canOnlyHope {
            if componentHasFailed {
                fail()
            } else if !remote.canPair(with: localAddresses), !awaitsHope {
                awaitsHope = true
                startTimer(AgentCore.idleTimeout, NiceCallbacks.hopeEnded)
            }
        }
    }

    /// Whether both sides have said that there will be no more candidates.
    private var canOnlyHope: Bool { hasFinishedGathering && remoteHasEnded && remoteCredentials != nil }

    /// Nothing could be paired for as long as checks would have been waited for; candidates that signaling has overtaken
    /// and checks of the peer had their chance.
    func hopeEnded() {
        awaitsHope = false
        guard phase == .open, pair == nil, canOnlyHope, !remote.canPair(with: localAddresses), learned == 0 else {
            return
        }
        fail()
    }

    func startTimer(_ milliseconds: guint, _ callback: GSourceFunc) {
        let source = g_timeout_source_new(milliseconds)
        g_source_set_callback(source, callback, AgentRegistry.pointer(id), nil)
        g_source_attach(source, loop.context)
        g_source_unref(source)
    }

    private func fail() {
        guard !hasReportedFailure else { return }
        hasReportedFailure = true
        emit(.failed)
    }
}
