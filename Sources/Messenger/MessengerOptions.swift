package import PortMapping
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
    /// The only cipher of sessions, whoever dials; `nil` for the best that both sides have.
    package var cipher: CipherName?
    /// Whether the port of a NAT that maps by destination is searched for, where there is no other direct path.
    package var searchesPorts: Bool
    /// Whether the gateway is asked for ports (PCP, NAT-PMP, UPnP-IGD).
    package var mapsPorts: Bool
    /// Starts the process that speaks UPnP-IGD; without it the gateway is asked by PCP and NAT-PMP only.
    package var gatewayHelper: HelperCommand?

    package init(
        policy: TravelPolicy = .auto, certificateFile: String? = nil, localAddresses: [IPAddress]? = nil,
        searchesPorts: Bool = true, mapsPorts: Bool = true, gatewayHelper: HelperCommand? = nil
    ) {
        self.policy = policy
        self.certificateFile = certificateFile
        self.localAddresses = localAddresses
        self.searchesPorts = searchesPorts
        self.mapsPorts = mapsPorts
        self.gatewayHelper = gatewayHelper
    }

    var trust: TLSTrust { certificateFile.map { .file($0) } ?? .system }
}
