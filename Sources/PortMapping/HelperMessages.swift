package import Wire

// One line each way: words and decimal numbers with single spaces between, ASCII, `HelperLine.maximumLength` bytes with the line end.
//
//   find GATEWAY LOCAL            →  found EXTERNAL | none
//   map INTERNAL EXTERNAL SECONDS →  mapped ADDRESS EXTERNAL SECONDS | failed CODE
//   delete EXTERNAL               →  deleted | failed CODE

/// The lines between the program and its gateway helper.
package enum HelperLine {
    /// Bytes of a line at most, with its end.
    package static let maximumLength = 80

    /// The words of a line without its end; nil unless each byte of it may stand there.
    fileprivate static func words(_ line: some Collection<UInt8>) -> [String]? {
        let allowed: (UInt8) -> Bool = {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: " "),
                UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard line.count < maximumLength, line.allSatisfy(allowed) else { return nil }
        return line.split(separator: UInt8(ascii: " "), maxSplits: 4, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    fileprivate static func number<Number: FixedWidthInteger>(_ text: String) -> Number? {
        guard let number = Number(text), String(number) == text else { return nil }
        return number
    }

    /// A port that something can be mapped to or from.
    fileprivate static func port(_ text: String) -> UInt16? {
        guard let port: UInt16 = number(text), port != 0 else { return nil }
        return port
    }

    fileprivate static func address(_ text: String) -> IPAddress? {
        guard let address = try? IPAddress(text), !address.isV6 else { return nil }
        return address
    }
}

/// What the helper is asked for.
package enum HelperRequest: Hashable, Sendable {
    /// Look for the UPnP-IGD at this address, which is the default gateway's, from this address of ours.
    case find(gateway: IPAddress, local: IPAddress)
    /// Map a UDP port of ours, or renew that: the external port is what we would like, the lease is in seconds.
    case map(port: UInt16, external: UInt16, seconds: UInt32)
    /// Delete the mapping of this external UDP port.
    case delete(external: UInt16)

    /// The line, with its end.
    package var line: String {
        switch self {
        case .find(let gateway, let local): "find \(gateway) \(local)\n"
        case .map(let port, let external, let seconds): "map \(port) \(external) \(seconds)\n"
        case .delete(let external): "delete \(external)\n"
        }
    }

    /// From a line without its end; nil when it is anything else.
    package init?(line: some Collection<UInt8>) {
        guard let words = HelperLine.words(line), let verb = words.first else { return nil }
        switch (verb, words.count) {
        case ("find", 3):
            guard let gateway = HelperLine.address(words[1]), let local = HelperLine.address(words[2]) else {
                return nil
            }
            self = .find(gateway: gateway, local: local)
        case ("map", 4):
            guard let port = HelperLine.port(words[1]), let external = HelperLine.port(words[2]),
                let seconds: UInt32 = HelperLine.number(words[3])
            else { return nil }
            self = .map(port: port, external: external, seconds: seconds)
        case ("delete", 2):
            guard let external = HelperLine.port(words[1]) else { return nil }
            self = .delete(external: external)
        default: return nil
        }
    }
}

/// What the helper answers.
package enum HelperAnswer: Hashable, Sendable {
    /// There is an IGD, and this is its address towards the internet, whatever that is worth.
    case found(external: IPAddress)
    /// There is none at the gateway's address.
    case none
    /// Mapped to this port of this address; zero seconds are a mapping without an end.
    case mapped(Endpoint, seconds: UInt32)
    case deleted
    /// Refused, with UPnP's error code, or zero when there was no answer that made sense.
    case failed(code: UInt16)

    /// The line, with its end.
    package var line: String {
        switch self {
        case .found(let external): "found \(external)\n"
        case .none: "none\n"
        case .mapped(let external, let seconds): "mapped \(external.address) \(external.port) \(seconds)\n"
        case .deleted: "deleted\n"
        case .failed(let code): "failed \(code)\n"
        }
    }

    /// From a line without its end; nil when it is anything else.
    package init?(line: some Collection<UInt8>) {
        guard let words = HelperLine.words(line), let verb = words.first else { return nil }
        switch (verb, words.count) {
        case ("found", 2):
            guard let external = HelperLine.address(words[1]) else { return nil }
            self = .found(external: external)
        case ("none", 1): self = .none
        case ("mapped", 4):
            guard let address = HelperLine.address(words[1]), let port = HelperLine.port(words[2]),
                let seconds: UInt32 = HelperLine.number(words[3])
            else { return nil }
            self = .mapped(Endpoint(address: address, port: port), seconds: seconds)
        case ("deleted", 1): self = .deleted
        case ("failed", 2):
            guard let code: UInt16 = HelperLine.number(words[1]) else { return nil }
            self = .failed(code: code)
        default: return nil
        }
    }
}
