/// Changes inputs as a fuzzer does, the same in every run.
struct Mutation {
    private var generator: SeededGenerator
    private static let tellingBytes: [UInt8] = [0, 1, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFE, 0xFF]

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
    }

    /// One of `inputs`, changed in one to four places.
    mutating func mutated(_ inputs: [[UInt8]], maximumLength: Int) -> [UInt8] {
        var bytes = inputs.randomElement(using: &generator) ?? []
        for _ in 0..<number(1...4) { change(&bytes, inputs) }
        return Array(bytes.prefix(maximumLength))
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &generator)
    }

    private mutating func change(_ bytes: inout [UInt8], _ inputs: [[UInt8]]) {
        let place = number(0...bytes.count)
        let end = min(bytes.count, place + number(1...16))
        let isAtEnd = place == bytes.count
        switch number(0...7) {
        case 0 where !isAtEnd: bytes[place] ^= 1 << UInt8(number(0...7))
        case 1 where !isAtEnd: bytes[place] = UInt8(number(0...255))
        case 2 where !isAtEnd: bytes[place] = Self.tellingBytes.randomElement(using: &generator) ?? 0
        case 3 where !isAtEnd: bytes.removeSubrange(place..<end)
        case 4: bytes.insert(contentsOf: bytes[place..<end], at: place)
        case 5: bytes.removeSubrange(place...)
        case 6:
            // The end of another input.
            let other = inputs.randomElement(using: &generator) ?? []
            bytes = Array(bytes[..<place]) + other.dropFirst(number(0...other.count))
        default: bytes.insert(UInt8(number(0...255)), at: place)
        }
    }
}
