/// Ports in random order, none twice: the beginning of a shuffle of all of them (Fisher and Yates), of which only the
/// positions that were touched are kept.
package enum SearchPorts {
    /// How many ports there are to choose from: 64,512.
    package static var available: Int { Int(UInt16.max) - Int(SearchLimits.firstPort) + 1 }

    /// So many different ports from ``SearchLimits/firstPort`` on, at most ``available``.
    package static func draw(_ count: Int, using generator: inout some RandomNumberGenerator) -> [UInt16] {
        var moved: [Int: Int] = [:]
        return (0..<min(max(count, 0), available)).map { position in
            let chosen = Int.random(in: position..<available, using: &generator)
            let value = moved[chosen] ?? chosen
            moved[chosen] = moved[position] ?? position
            return UInt16(truncatingIfNeeded: Int(SearchLimits.firstPort) + value)
        }
    }

    /// How probable it is that `probes` different ports meet one of `mappings` random ones.
    package static func probability(probes: Int, mappings: Int) -> Double {
        guard probes + mappings <= available else { return 1 }
        return 1
            - (0..<probes).reduce(1.0) { miss, tried in
                miss * Double(available - mappings - tried) / Double(available - tried)
            }
    }
}
