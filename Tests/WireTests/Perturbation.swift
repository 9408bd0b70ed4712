import Testing

@testable import Wire

/// Bytes from hexadecimal text; spaces and line ends are passed over.
func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// Bytes `first`, `first + 1`, … wrapping at 256.
func counting(from first: UInt8, _ count: Int) -> [UInt8] {
    (0..<count).map { first &+ UInt8(truncatingIfNeeded: $0) }
}

/// Every proper prefix of `bytes`, and `bytes` with each byte replaced by every other value.
func perturbations(of bytes: [UInt8]) -> [[UInt8]] {
    var result = (0..<bytes.count).map { Array(bytes.prefix($0)) }
    result.append(bytes + [0])
    for index in bytes.indices {
        for difference in 1...UInt8.max {
            var changed = bytes
            changed[index] ^= difference
            result.append(changed)
        }
    }
    return result
}

/// Decodes every perturbation: each must throw (the type system says what) or give a value that survives a round trip.
/// Returns how many gave a value.
@discardableResult
func perturb<Value: Equatable>(
    _ bytes: [UInt8], decode: ([UInt8]) throws(WireError) -> Value?, encode: (Value) throws -> [UInt8]
) throws -> Int {
    var accepted = 0
    for input in perturbations(of: bytes) {
        let value: Value?
        do throws(WireError) {
            value = try decode(input)
        } catch {
            continue
        }
        guard let value else { continue }
        accepted += 1
        let again = try decode(encode(value))
        #expect(again == value)
    }
    return accepted
}
