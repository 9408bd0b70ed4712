/// One thing to throw bytes at. The same function runs under libFuzzer (`scripts/fuzz`) and in the ordinary tests, over
/// the kept corpus and over mutations of it.
package struct FuzzTarget: Sendable {
    /// What one run costs, which decides how many of them the ordinary tests can afford.
    package enum Cost: Sendable {
        /// Microseconds: a parser.
        case parser
        /// A few public-key operations.
        case publicKey
        /// A whole session is set up and torn down.
        case session
    }

    /// Name of the target on the command line and of its folder in the corpus.
    package let name: String
    package let cost: Cost
    /// Longest input in bytes that is worth trying.
    package let maximumLength: Int
    /// Inputs to begin with: valid ones, which reach where random bytes never would.
    package let seeds: @Sendable () throws -> [[UInt8]]
    /// Runs one input. Whatever is thrown is a finding, as is a trap.
    package let run: @Sendable ([UInt8]) throws -> Void

    init(
        _ name: String, _ cost: Cost = .parser, maximumLength: Int = 1024,
        seeds: @escaping @Sendable () throws -> [[UInt8]], run: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.cost = cost
        self.maximumLength = maximumLength
        self.seeds = seeds
        self.run = run
    }

    /// All targets.
    package static let all: [FuzzTarget] = wire + server + text + identity + noise + ratchet + transport + sessions

    /// The target of this name.
    package static func named(_ name: String) -> FuzzTarget? {
        all.first { $0.name == name }
    }
}

/// A property that must hold for every input did not.
struct PropertyViolation: Error, CustomStringConvertible {
    let description: String
}

/// Throws unless the property holds.
func check(_ holds: Bool, _ property: @autoclosure () -> String) throws {
    guard holds else { throw PropertyViolation(description: property()) }
}

/// Reads decisions and data from the front of an input. An exhausted input gives zeros and empty data, so that every
/// input means something.
struct FuzzInput {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 {
        rest.popFirst() ?? 0
    }

    /// A number of `count` bytes, big-endian.
    mutating func number(_ count: Int) -> UInt64 {
        (0..<count).reduce(0) { value, _ in value << 8 | UInt64(byte()) }
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// As many bytes as the next byte says.
    mutating func block() -> [UInt8] {
        bytes(Int(byte()))
    }

    mutating func remaining() -> [UInt8] {
        bytes(rest.count)
    }

    /// Changes `original` as the input says: the first byte is how many changes (up to 7), each has a kind, a place and
    /// a value. None at all gives the original.
    mutating func altered(_ original: [UInt8]) -> [UInt8] {
        var result = original
        for _ in 0..<(byte() & 7) {
            let kind = byte()
            let place = result.isEmpty ? 0 : Int(number(2)) % result.count
            switch kind % 4 {
            case 0 where !result.isEmpty: result[place] ^= byte()
            case 1: result = Array(result.prefix(place))
            case 2: result.insert(contentsOf: block(), at: place)
            default: if !result.isEmpty { result[place] = byte() }
            }
        }
        return result
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
