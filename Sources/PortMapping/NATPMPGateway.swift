import CNATPMP
import Glibc
import Wire

/// The default gateway, spoken to by NAT-PMP (RFC 6886) with libnatpmp: one binary packet of fixed size each way, and answers count
/// only from the gateway's own address, which the routing table tells. Used by one queue, which it blocks for at most ``deadline``.
final class NATPMPGateway: Gateway {
    /// What ``beginQuestion()`` was answered with.
    enum Answer {
        case address(IPAddress)
        /// It speaks NAT-PMP, and does not want to.
        case refusal
        /// It does not speak NAT-PMP.
        case silence
    }

    /// How long an answer is waited for. libnatpmp repeats a request after 250, 500 and 1,000 ms.
    private static let deadline: Int64 = 2_000
    /// Answers to other questions that are passed over.
    private static let maximumStaleAnswers = 8
    private static let maximumDiscarded = 64

    /// An answer, or libnatpmp's number of what came instead.
    private enum Response {
        case success(natpmpresp_t)
        case failure(Int32)
    }

    private var protocolState = natpmp_t()
    let local: IPAddress
    /// The gateway's own address on our side.
    let gateway: IPAddress
    /// Its address towards the internet, once it was asked.
    private var external: IPAddress?
    private var isAsked = false

    /// Nil without a default route or a socket, and for IPv6.
    ///
    /// - Parameter gateway: another one than the routing table's.
    init?(gateway other: IPAddress? = nil) {
        var forced = in_addr_t()
        guard other?.isV6 != true else { return nil }
        if let other { withUnsafeMutableBytes(of: &forced) { $0.copyBytes(from: other.bytes) } }
        guard initnatpmp(&protocolState, other == nil ? 0 : 1, forced) == 0 else { return nil }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = protocolState.s
        let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        let bytes = withUnsafeBytes(of: address.sin_addr) { Array($0) }
        let gatewayBytes = withUnsafeBytes(of: protocolState.gateway) { Array($0) }
        guard isKnown == 0, let local = try? IPAddress(bytes: bytes), let gateway = try? IPAddress(bytes: gatewayBytes)
        else {
            closenatpmp(&protocolState)
            return nil
        }
        self.local = local
        self.gateway = gateway
    }

    deinit { closenatpmp(&protocolState) }

    // MARK: The question for the external address

    /// To be watched for input while the answer is waited for.
    var descriptor: Int32 { protocolState.s }

    /// Asks for the gateway's address towards the internet. Nothing was asked before.
    func beginQuestion() { isAsked = sendpublicaddressrequest(&protocolState) == 2 }

    /// The answer, once it is there; nil before. Repeats the question when that is due.
    func answer() -> Answer? {
        guard isAsked else { return .silence }
        var response = natpmpresp_t()
        switch readnatpmpresponseorretry(&protocolState, &response) {
        case 0:
            guard response.type == UInt16(NATPMP_RESPTYPE_PUBLICADDRESS) else { return .silence }
            let bytes = withUnsafeBytes(of: response.pnu.publicaddress.addr) { Array($0) }
            external = try? IPAddress(bytes: bytes)
            return external.map { .address($0) } ?? .silence
        case NATPMP_TRYAGAIN: return nil
        case let code: return Self.isSpoken(code) ? .refusal : .silence
        }
    }

    /// Milliseconds until ``answer()`` is to be called even when nothing came.
    var questionWait: Int64 {
        var timeout = timeval()
        guard getnatpmprequesttimeout(&protocolState, &timeout) == 0 else { return 0 }
        return max(1, Int64(timeout.tv_sec) * 1_000 + Int64(timeout.tv_usec) / 1_000 + 1)
    }

    /// Whether an error is one that a gateway which speaks NAT-PMP answered (RFC 6886 §3.5). One that knows another version only does not.
    private static func isSpoken(_ code: Int32) -> Bool {
        [NATPMP_ERR_NOTAUTHORIZED, NATPMP_ERR_NETWORKFAILURE, NATPMP_ERR_OUTOFRESOURCES].contains(code)
    }

    // MARK: Mappings

    func map(port: UInt16, suggested: UInt16) -> Grant? {
        guard let external, let grant = request(port: port, suggested: suggested, lifetime: Lease.requested),
            grant.port != 0
        else { return nil }
        return Grant(external: Endpoint(address: external, port: grant.port), lifetime: grant.lifetime)
    }

    /// RFC 6886 §3.4.
    func delete(port: UInt16, external: UInt16, isAtEnd: Bool) {
        if isAtEnd {
            _ = sendnewportmappingrequest(&protocolState, NATPMP_PROTOCOL_UDP, port, 0, 0)
        } else {
            _ = request(port: port, suggested: 0, lifetime: 0)
        }
    }

    func end() {}

    // MARK: Requests

    private typealias Mapped = (port: UInt16, lifetime: UInt32)

    private func request(port: UInt16, suggested: UInt16, lifetime: UInt32) -> Mapped? {
        let answer = ask(
            { sendnewportmappingrequest(&$0, NATPMP_PROTOCOL_UDP, port, suggested, lifetime) == 12 },
            matches: {
                $0.type == UInt16(NATPMP_RESPTYPE_UDPPORTMAPPING) && $0.pnu.newportmapping.privateport == port
            })
        guard case .success(let answer) = answer else { return nil }
        return (answer.pnu.newportmapping.mappedpublicport, answer.pnu.newportmapping.lifetime)
    }

    /// Sends a question until it is answered or the time is over. A gateway that was slow has answered the repetitions of an earlier question, too:
    /// such answers are passed over, and the question is put again, because libnatpmp counts it as answered.
    private func ask(_ send: (inout natpmp_t) -> Bool, matches: (natpmpresp_t) -> Bool) -> Response {
        let end = Uptime.milliseconds + Self.deadline
        for _ in 0..<Self.maximumStaleAnswers {
            discardArrived()
            guard send(&protocolState) else { return .failure(NATPMP_ERR_SENDERR) }
            let response = response(until: end)
            guard case .success(let answer) = response, !matches(answer) else { return response }
        }
        return .failure(NATPMP_TRYAGAIN)
    }

    private func discardArrived() {
        var byte: UInt8 = 0
        for _ in 0..<Self.maximumDiscarded {
            guard recv(protocolState.s, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 else { return }
        }
    }

    private func response(until end: Int64) -> Response {
        var response = natpmpresp_t()
        while true {
            switch readnatpmpresponseorretry(&protocolState, &response) {
            case 0: return .success(response)
            case NATPMP_TRYAGAIN: break
            case let code: return .failure(code)
            }
            let left = end - Uptime.milliseconds
            guard left > 0 else { return .failure(NATPMP_TRYAGAIN) }
            var entry = pollfd(fd: protocolState.s, events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, Int32(min(left, questionWait)))
        }
    }
}
