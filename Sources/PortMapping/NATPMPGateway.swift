import CNATPMP
import Glibc
import Wire

/// The default gateway, spoken to by NAT-PMP (RFC 6886) with libnatpmp: one binary packet of fixed size each way, and answers count
/// only from the gateway's own address, which the routing table tells. Used by one queue, which it blocks for at most ``deadline``.
final class NATPMPGateway {
    /// What a mapping request was answered with.
    struct Grant {
        var publicPort: UInt16
        var lifetime: UInt32
    }

    /// How long an answer is waited for. libnatpmp repeats a request after 250, 500 and 1,000 ms.
    private static let deadline: Int64 = 2_000
    /// Answers to other questions that are passed over.
    private static let maximumStaleAnswers = 8
    private static let maximumDiscarded = 64

    private var protocolState = natpmp_t()
    /// Our address on the way to the gateway: the host that it maps to.
    let local: IPAddress

    /// Nil without a default route, or without a socket.
    init?() {
        guard initnatpmp(&protocolState, 0, 0) == 0 else { return nil }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = protocolState.s
        let isKnown = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        let bytes = withUnsafeBytes(of: address.sin_addr) { Array($0) }
        guard isKnown == 0, let local = try? IPAddress(bytes: bytes) else {
            closenatpmp(&protocolState)
            return nil
        }
        self.local = local
    }

    deinit { closenatpmp(&protocolState) }

    /// The gateway's address towards the internet; nil when it does not speak NAT-PMP.
    func externalAddress() -> IPAddress? {
        let answer = ask(
            { sendpublicaddressrequest(&$0) == 2 }, matches: { $0.type == UInt16(NATPMP_RESPTYPE_PUBLICADDRESS) })
        guard let answer else { return nil }
        let bytes = withUnsafeBytes(of: answer.pnu.publicaddress.addr) { Array($0) }
        return try? IPAddress(bytes: bytes)
    }

    /// Deletes a mapping (RFC 6886 §3.4).
    func delete(port: UInt16, waits: Bool) {
        if waits {
            _ = map(port: port, suggested: 0, lifetime: 0)
        } else {
            _ = sendnewportmappingrequest(&protocolState, NATPMP_PROTOCOL_UDP, port, 0, 0)
        }
    }

    /// Asks for a UDP mapping, or for its renewal.
    func map(port: UInt16, suggested: UInt16, lifetime: UInt32) -> Grant? {
        let answer = ask(
            { sendnewportmappingrequest(&$0, NATPMP_PROTOCOL_UDP, port, suggested, lifetime) == 12 },
            matches: {
                $0.type == UInt16(NATPMP_RESPTYPE_UDPPORTMAPPING) && $0.pnu.newportmapping.privateport == port
            })
        guard let grant = answer?.pnu.newportmapping else { return nil }
        return Grant(publicPort: grant.mappedpublicport, lifetime: grant.lifetime)
    }

    /// Sends a question until it is answered or the time is over. A gateway that was slow has answered the repetitions of an earlier question, too:
    /// such answers are passed over, and the question is put again, because libnatpmp counts it as answered.
    private func ask(_ send: (inout natpmp_t) -> Bool, matches: (natpmpresp_t) -> Bool) -> natpmpresp_t? {
        let end = Self.now() + Self.deadline
        for _ in 0..<Self.maximumStaleAnswers {
            discardArrived()
            guard send(&protocolState), let answer = response(until: end) else { return nil }
            if matches(answer) { return answer }
        }
        return nil
    }

    private func discardArrived() {
        var byte: UInt8 = 0
        for _ in 0..<Self.maximumDiscarded {
            guard recv(protocolState.s, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 else { return }
        }
    }

    private func response(until end: Int64) -> natpmpresp_t? {
        var response = natpmpresp_t()
        while true {
            switch readnatpmpresponseorretry(&protocolState, &response) {
            case 0: return response
            case NATPMP_TRYAGAIN: break
            default: return nil
            }
            let left = end - Self.now()
            guard left > 0 else { return nil }
            var timeout = timeval()
            guard getnatpmprequesttimeout(&protocolState, &timeout) == 0 else { return nil }
            let wait = min(left, max(1, Int64(timeout.tv_sec) * 1_000 + Int64(timeout.tv_usec) / 1_000 + 1))
            var entry = pollfd(fd: protocolState.s, events: Int16(POLLIN), revents: 0)
            _ = poll(&entry, 1, Int32(wait))
        }
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}
