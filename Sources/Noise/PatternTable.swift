extension HandshakePattern {
    /// All patterns of revision 34, by name.
    static let table: [String: HandshakePattern] = Dictionary(
        uniqueKeysWithValues: (oneWay + fundamental + deferred).map { ($0.name, $0) })

    /// One-way patterns (§7.4).
    static let oneWay: [HandshakePattern] = [
        .init("N", responder: [.s], [.e, .es]),
        .init("K", initiator: [.s], responder: [.s], [.e, .es, .ss]),
        .init("X", responder: [.s], [.e, .es, .s, .ss]),
    ]

    /// Interactive fundamental patterns (§7.5).
    static let fundamental: [HandshakePattern] = [
        .init("NN", [.e], [.e, .ee]),
        .init("KN", initiator: [.s], [.e], [.e, .ee, .se]),
        .init("NK", responder: [.s], [.e, .es], [.e, .ee]),
        .init("KK", initiator: [.s], responder: [.s], [.e, .es, .ss], [.e, .ee, .se]),
        .init("NX", [.e], [.e, .ee, .s, .es]),
        .init("KX", initiator: [.s], [.e], [.e, .ee, .se, .s, .es]),
        .init("XN", [.e], [.e, .ee], [.s, .se]),
        .init("IN", [.e, .s], [.e, .ee, .se]),
        .init("XK", responder: [.s], [.e, .es], [.e, .ee], [.s, .se]),
        .init("IK", responder: [.s], [.e, .es, .s, .ss], [.e, .ee, .se]),
        .init("XX", [.e], [.e, .ee, .s, .es], [.s, .se]),
        .init("IX", [.e, .s], [.e, .ee, .se, .s, .es]),
    ]

    /// Interactive deferred patterns (§7.6 and §18.1).
    static let deferred: [HandshakePattern] = [
        .init("NK1", responder: [.s], [.e], [.e, .ee, .es]),
        .init("NX1", [.e], [.e, .ee, .s], [.es]),
        .init("X1N", [.e], [.e, .ee], [.s], [.se]),
        .init("X1K", responder: [.s], [.e, .es], [.e, .ee], [.s], [.se]),
        .init("XK1", responder: [.s], [.e], [.e, .ee, .es], [.s, .se]),
        .init("X1K1", responder: [.s], [.e], [.e, .ee, .es], [.s], [.se]),
        .init("X1X", [.e], [.e, .ee, .s, .es], [.s], [.se]),
        .init("XX1", [.e], [.e, .ee, .s], [.es, .s, .se]),
        .init("X1X1", [.e], [.e, .ee, .s], [.es, .s], [.se]),
        .init("K1N", initiator: [.s], [.e], [.e, .ee], [.se]),
        .init("K1K", initiator: [.s], responder: [.s], [.e, .es], [.e, .ee], [.se]),
        .init("KK1", initiator: [.s], responder: [.s], [.e], [.e, .ee, .se, .es]),
        .init("K1K1", initiator: [.s], responder: [.s], [.e], [.e, .ee, .es], [.se]),
        .init("K1X", initiator: [.s], [.e], [.e, .ee, .s, .es], [.se]),
        .init("KX1", initiator: [.s], [.e], [.e, .ee, .se, .s], [.es]),
        .init("K1X1", initiator: [.s], [.e], [.e, .ee, .s], [.se, .es]),
        .init("I1N", [.e, .s], [.e, .ee], [.se]),
        .init("I1K", responder: [.s], [.e, .es, .s], [.e, .ee], [.se]),
        .init("IK1", responder: [.s], [.e, .s], [.e, .ee, .se, .es]),
        .init("I1K1", responder: [.s], [.e, .s], [.e, .ee, .es], [.se]),
        .init("I1X", [.e, .s], [.e, .ee, .s, .es], [.se]),
        .init("IX1", [.e, .s], [.e, .ee, .se, .s], [.es]),
        .init("I1X1", [.e, .s], [.e, .ee, .s], [.se, .es]),
    ]
}
