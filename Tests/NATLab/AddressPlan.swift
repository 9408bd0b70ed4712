/// The addresses of one site, all derived from its number (1…100).
///
/// The internet is 198.51.100.0/24, 203.0.113.0/24 and 2001:db8::/32. Local networks differ from site to site, so
/// that a packet that takes an impossible way shows.
struct AddressPlan: Sendable {
    let number: Int

    /// The internet's end of every link. Reached through the link alone, so that every public address is a /32.
    static let gateway = "192.0.2.1"
    static let gateway6 = "fe80::1"
    static let router6 = "fe80::2"

    /// Interface of the internet's router towards the site.
    var link: String { "s\(number)" }

    /// The public address; `generation` counts changes of it.
    func publicAddress(generation: Int = 0) -> String {
        let network = number.isMultiple(of: 2) ? "203.0.113" : "198.51.100"
        return "\(network).\(generation == 0 ? 10 + number : 110 + (number + 13 * generation) % 140)"
    }

    /// First three bytes of the local network, and of the network between the two NATs of a double NAT.
    var local: String { "192.168.\(number)" }
    var provider: String { "10.0.\(number)" }
    var prefix6: String { "2001:db8:\(number):" }

    /// Address of the host with the given position (0…) on the local network.
    func localAddress(_ position: Int, generation: Int = 0) -> String {
        "\(local).\(10 + position + 20 * generation)"
    }

    /// The same of IPv6; an open host has position 0.
    func address6(_ position: Int, generation: Int = 0) -> String {
        "\(prefix6):\(10 + position + 20 * generation)"
    }
}
