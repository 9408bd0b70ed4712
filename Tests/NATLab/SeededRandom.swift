/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same numbers on every machine.
struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// - Parameter stream: numbers of one seed in streams of their own, so that using one does not shift another.
    init(seed: UInt64, stream: UInt64 = 0) {
        var mixing = SeededRandom(state: seed &+ stream &* 0xD1B5_4A32_D192_ED03)
        state = mixing.next()
    }

    private init(state: UInt64) {
        self.state = state
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, 1.
    mutating func fraction() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// Whether something with this probability happens this time.
    mutating func happens(_ probability: Double) -> Bool {
        // Drawn in any case: a probability that changes does not shift what is drawn later.
        fraction() < probability
    }
}
