import Noise
import Testing
import Wire

@testable import Identity

/// Bytes from hexadecimal text; spaces and line ends are passed over.
func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

/// The keys of RFC 8032 §7.1, TEST 1 and TEST 2.
enum Sample {
    static let seed1 = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    static let public1 = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    static let text1 = "sotto16adfsqvzky9t042tlmfujeq88g8wzuhnm2nzxfd0qgdx3ac82ydq3t2xha"
    static let seed2 = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    static let public2 = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    static let text2 = "sotto184qp0slggwy44y4hp2n56xm7hjwfstx09mzfdrxqe42lz2h5vcxqayhc4p"

    static func first() throws -> Identity { try Identity(seed: SecretBytes(copying: hex(seed1))) }
    static func second() throws -> Identity { try Identity(seed: SecretBytes(copying: hex(seed2))) }
}
