import SignalingClient
package import Wire

/// How a ``Messenger`` behaves; the front end's choice for this run.
package struct MessengerOptions: Sendable {
    /// How packets may travel.
    package var policy: TravelPolicy
    /// A PEM file with further certificates to believe for the server, besides the system's.
    package var certificateFile: String?
    /// The addresses that ICE may use; `nil` lets it find them.
    package var localAddresses: [IPAddress]?
    /// Contacts may measure with us.
    package var offersBenchmarks = false
    /// The only cipher that is offered for sessions that we dial; `nil` for the best that both sides have.
    package var cipher: CipherName?

    package init(
        policy: TravelPolicy = .auto, certificateFile: String? = nil, localAddresses: [IPAddress]? = nil
    ) {
        self.policy = policy
        self.certificateFile = certificateFile
        self.localAddresses = localAddresses
    }

    var trust: TLSTrust { certificateFile.map { .file($0) } ?? .system }
}
