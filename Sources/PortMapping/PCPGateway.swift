import Glibc
import Wire

/// The default gateway, spoken to by PCP (RFC 6887): one binary packet each way, and answers count only from the gateway's own address and port, and
/// only with the nonce of what was asked for. Used by one queue, which it blocks for at most the deadline.
final class PCPGateway: Gateway {
    /// What ``beginQuestion()`` was answered with.
    enum Answer {
        /// It speaks PCP.
        case agreement
        /// It speaks PCP, and does not want to.
        case refusal
        /// It does not speak PCP, or not this version.
        case silence
    }

    /// A mapping that the server has.
    private struct Held {
        let nonce: PCPNonce
        /// What it gave at last.
        let external: Endpoint
        /// It refused to renew this for so long, by our clock.
        var refusedUntil: Int64 = 0
    }

    /// A request under way.
    private struct Exchange {
        let datagram: [UInt8]
        var repeatsAt: Int64
        /// Milliseconds between the last two times that it was sent, or the first and the next.
        var interval: Int64
    }

    private enum Progress {
        case response(PCPResponse)
        /// It answers in another version.
        case otherVersion
        case unreachable
        case waiting
    }

    /// Milliseconds until a request is sent again, then twice as many, and so on: libnatpmp's, because RFC 6887 would begin after 3 s (§8.1.1), when
    /// nobody waits any more.
    private static let firstInterval: Int64 = 250
    /// Datagrams that are looked at before the clock is.
    private static let maximumPassedOver = 64
    /// A refusal is taken to last so many seconds at most.
    private static let maximumRefusal: UInt32 = 3_600

    let local: IPAddress
    private let socket: GatewaySocket
    private let deadline: Int64
    private var question: Exchange?
    private var held: [UInt16: Held] = [:]
    private var epoch = PCPEpoch()
    private var hasLostMappings = false
    /// The addresses that it gives are of no use to others.
    private var leadsNowhere = false

    /// A gateway that was not spoken to yet; nil without a way to it.
    ///
    /// - Parameter deadline: milliseconds for which an answer is waited.
    init?(gateway: IPAddress, deadline: Int64 = 2_000) {
        guard let socket = GatewaySocket(to: Endpoint(address: gateway, port: PCP.serverPort)) else { return nil }
        self.socket = socket
        self.deadline = deadline
        local = socket.local.address
    }

    // MARK: The question whether it speaks PCP

    /// To be watched for input while the answer is waited for.
    var descriptor: Int32 { socket.descriptor }

    /// Asks whether it speaks PCP, by an ANNOUNCE request (§14.1), which changes nothing there.
    func beginQuestion() { question = begin(.announce) }

    /// The answer, once it is there; nil before. Repeats the question when that is due.
    func answer() -> Answer? {
        guard var exchange = question else { return .silence }
        defer { question = exchange }
        switch advance(&exchange, accepts: { $0.mapping == nil }) {
        case .waiting: return nil
        case .otherVersion, .unreachable: return .silence
        case .response(let response):
            // Who speaks PCP and knows no ANNOUNCE may know MAP.
            return [.success, .unsupportedOpcode].contains(response.result) ? .agreement : .refusal
        }
    }

    /// Milliseconds until ``answer()`` is to be called even when nothing came.
    var questionWait: Int64 { question.map { max(0, $0.repeatsAt - Uptime.milliseconds) } ?? 0 }

    /// Its address towards the internet. It tells that with a mapping only (§11.6): one to this very socket, which nobody but the gateway can send to,
    /// and which is deleted at once.
    func learnAddress() -> IPAddress? {
        var generator = SystemRandomNumberGenerator()
        let nonce = PCPNonce(using: &generator)
        let port = socket.local.port
        let response = request(port, nonce, PCPMapping.noSuggestion, lifetime: PCP.minimumLifetime)
        guard let response, response.result == .success else {
            if response == nil { sendDeletion(port, nonce) }
            return nil
        }
        _ = request(port, nonce, PCPMapping.noSuggestion, lifetime: 0)
        return response.mapping?.external.address
    }

    // MARK: Mappings

    func map(port: UInt16, suggested: UInt16) -> Grant? {
        let known = held[port]
        guard !leadsNowhere, known.map({ $0.refusedUntil <= Uptime.milliseconds }) ?? true else { return nil }
        var generator = SystemRandomNumberGenerator()
        let nonce = known?.nonce ?? PCPNonce(using: &generator)
        let suggestion = known?.external ?? Endpoint(address: PCPMapping.noSuggestion.address, port: suggested)
        guard let response = request(port, nonce, suggestion, lifetime: Lease.requested) else {
            // It may have been made, and its answer be lost.
            if known == nil { sendDeletion(port, nonce) }
            return nil
        }
        guard response.result == .success, let external = response.mapping?.external else {
            let seconds = min(response.lifetime, Self.maximumRefusal)
            held[port]?.refusedUntil = Uptime.milliseconds + Int64(seconds) * 1_000
            return nil
        }
        guard MappedAddress.isUsable(external.address), external.port != 0 else {
            sendDeletion(port, nonce)
            held[port] = nil
            leadsNowhere = held.isEmpty
            return nil
        }
        held[port] = Held(nonce: nonce, external: external)
        return Grant(external: external, lifetime: response.lifetime)
    }

    /// §15: a lifetime of zero, and the nonce that it was made with.
    func delete(port: UInt16, external: UInt16, isAtEnd: Bool) {
        guard let mapping = held.removeValue(forKey: port) else { return }
        if isAtEnd {
            sendDeletion(port, mapping.nonce)
        } else {
            _ = request(port, mapping.nonce, PCPMapping.noSuggestion, lifetime: 0)
        }
    }

    func end() {}

    func takeLoss() -> Bool {
        defer { hasLostMappings = false }
        return hasLostMappings
    }

    private func sendDeletion(_ port: UInt16, _ nonce: PCPNonce) {
        let mapping = PCPMapping(nonce: nonce, internalPort: port, external: PCPMapping.noSuggestion)
        socket.send(PCPRequest.map(mapping, lifetime: 0).encode(client: local))
    }

    // MARK: Requests

    /// Sends a request until it is answered or the time is over. The repetitions of an earlier one may have been answered, too: what is there already is
    /// forgotten, and of what comes yet a deletion's answer has no lifetime.
    private func request(
        _ port: UInt16, _ nonce: PCPNonce, _ external: Endpoint, lifetime: UInt32
    ) -> PCPResponse? {
        let mapping = PCPMapping(nonce: nonce, internalPort: port, external: external)
        let end = Uptime.milliseconds + deadline
        var exchange = begin(.map(mapping, lifetime: lifetime))
        while true {
            let progress = advance(&exchange) { response in
                guard let answered = response.mapping, answered.nonce == nonce, answered.internalPort == port else {
                    return false
                }
                return response.result != .success || (response.lifetime == 0) == (lifetime == 0)
            }
            switch progress {
            case .response(let response):
                let isContinued = epoch.isContinued(
                    server: response.epoch, client: Uptime.milliseconds / 1_000)
                if !isContinued { hasLostMappings = true }
                return response
            case .unreachable: return nil
            // It does speak this version: somebody else says this.
            case .otherVersion, .waiting: break
            }
            let now = Uptime.milliseconds
            guard now < end else { return nil }
            var entry = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, Int32(max(0, min(end, exchange.repeatsAt) - now)))
        }
    }

    private func begin(_ request: PCPRequest) -> Exchange {
        let datagram = request.encode(client: local)
        socket.discardArrived()
        socket.send(datagram)
        return Exchange(
            datagram: datagram, repeatsAt: Uptime.milliseconds + Self.firstInterval, interval: Self.firstInterval)
    }

    /// Reads what came, and repeats the request when that is due.
    private func advance(_ exchange: inout Exchange, accepts: (PCPResponse) -> Bool) -> Progress {
        for _ in 0..<Self.maximumPassedOver {
            switch socket.receive() {
            case .unreachable: return .unreachable
            case .nothing:
                if Uptime.milliseconds >= exchange.repeatsAt {
                    socket.send(exchange.datagram)
                    exchange.interval *= 2
                    exchange.repeatsAt += exchange.interval
                }
                return .waiting
            case .datagram(let datagram):
                do throws(WireError) {
                    let response = try PCPResponse(datagram)
                    if accepts(response) { return .response(response) }
                } catch {
                    if case .unsupported = error { return .otherVersion }
                }
            }
        }
        return .waiting
    }
}
