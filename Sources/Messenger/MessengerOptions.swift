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
    /// Whether a message fails at once when its contact cannot be reached, or waits in memory.
    package var failsWhenAbsent: Bool

    package init(
        policy: TravelPolicy = .auto, certificateFile: String? = nil, localAddresses: [IPAddress]? = nil,
        failsWhenAbsent: Bool = false
    ) {
        self.policy = policy
        self.certificateFile = certificateFile
        self.localAddresses = localAddresses
        self.failsWhenAbsent = failsWhenAbsent
    }

    var trust: TLSTrust { certificateFile.map { .file($0) } ?? .system }
}
