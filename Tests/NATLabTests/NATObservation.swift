import NATLab
import Testing

/// A laboratory for looking at one NAT: an inner socket behind it, and partners on the internet.
struct NATObservation {
    let lab: Lab
    let inner: UDPProbe
    /// Two sockets of one partner, one of another.
    let partner: UDPProbe
    let partnerOtherPort: UDPProbe
    let stranger: UDPProbe
    let partnerAddress: String
    let strangerAddress: String

    var partnerEndpoint: LabEndpoint { LabEndpoint(partnerAddress, partner.port) }
    var partnerOtherEndpoint: LabEndpoint { LabEndpoint(partnerAddress, partnerOtherPort.port) }
    var strangerEndpoint: LabEndpoint { LabEndpoint(strangerAddress, stranger.port) }

    static func with(
        _ profile: NATProfile, timeouts: NATTimeouts = .standard, _ body: (NATObservation) async throws -> Void
    ) async throws {
        try await Lab.with { plan in
            plan.host("partner")
            plan.host("stranger")
            plan.host("inner", behind: profile, timeouts: timeouts)
        } _: { lab in
            let (partner, stranger) = (try lab.host("partner"), try lab.host("stranger"))
            let nat = NATObservation(
                lab: lab, inner: try lab.host("inner").udpSocket(port: 5000),
                partner: try partner.udpSocket(port: 7001), partnerOtherPort: try partner.udpSocket(port: 7002),
                stranger: try stranger.udpSocket(port: 7001), partnerAddress: partner.address,
                strangerAddress: stranger.address)
            // A first packet waits for address resolution and could be overtaken by what is sent after it elsewhere.
            try nat.partner.send("warm", to: nat.strangerEndpoint)
            try await nat.stranger.receive("warm")
            try nat.stranger.send("warm", to: nat.partnerEndpoint)
            try await nat.partner.receive("warm")
            try await body(nat)
        }
    }

    /// Sends outwards and tells which endpoint the receiver saw.
    func mapping(towards destination: LabEndpoint, at receiver: UDPProbe) async throws -> LabEndpoint {
        try inner.send("out", to: destination)
        return try await receiver.receive("out")
    }

    /// Whether a datagram from `sender` to `mapped` gets in. One from the partner, which surely does, ends the wait.
    func lets(_ sender: UDPProbe, in mapped: LabEndpoint) async throws -> Bool {
        try sender.send("question", to: mapped)
        try partner.send("fence", to: mapped)
        return try await inner.texts(before: "fence").contains("question")
    }
}
