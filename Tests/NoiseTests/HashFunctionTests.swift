import Testing

@testable import Noise

@Suite("Hash functions")
struct HashFunctionTests {
    private func bytes(_ secret: borrowing SecretBytes) -> [UInt8] {
        secret.withUnsafeBytes { Array($0) }
    }

    @Test("HMAC fits RFC 4231, test case 1")
    func hmacFitsRFC4231() {
        let key = SecretBytes(copying: [UInt8](repeating: 0x0b, count: 20))
        let data = SecretBytes(copying: Array("Hi There".utf8))
        let sha256 = bytes(HashFunction.sha256.hmac(key: key, data)).hex
        #expect(sha256 == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        let sha512 = bytes(HashFunction.sha512.hmac(key: key, data)).hex
        #expect(
            sha512 == "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                + "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854")
    }

    @Test("HMAC-BLAKE2b has blocks of 128 bytes, as Python's hmac")
    func hmacBLAKE2bFitsPython() {
        let key = SecretBytes(copying: Array(0..<64))
        let result = bytes(HashFunction.blake2b.hmac(key: key, SecretBytes(copying: Array("sotto".utf8)))).hex
        #expect(result == blake2bOfPython)
    }

    @Test("HKDF fits RFC 5869, test case 3")
    func hkdfFitsRFC5869() {
        let material = SecretBytes(copying: [UInt8](repeating: 0x0b, count: 22))
        let output = bytes(
            HashFunction.sha256.hkdf(chainingKey: SecretBytes(copying: []), inputKeyMaterial: material, outputs: 2))
        #expect(
            Array(output.prefix(42)).hex
                == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    }
}

private let blake2bOfPython =
    "9c9181c563ead5b02f8f4a261d9aab4d3ae2a1512d07f20662afb6001502ecc1"
    + "682ff7f110b96aa78ec945a0ecb44d7f0ea2ac95780472078391a5644ed51658"
