import Noise
import TestTools
import Testing

@testable import SecureTransport

/// All libraries do the two AEADs as they are published, and the same as each other.
@Suite struct AEADKeyTests {
    private static let length = 1500

    init() {
        Sodium.initialize()
    }

    static let providers = AEADProvider.allCases.filter(\.isAvailable)

    static let everyWay: [(AEADProvider, PacketCipher)] = providers.flatMap { provider in
        PacketCipher.available().map { (provider, $0) }
    }

    static let everyVector: [(AEADProvider, AEADVector)] = providers.flatMap { provider in
        (AEADVector.chaCha20Poly1305 + AEADVector.aes256GCM)
            .filter { PacketCipher.available().contains($0.cipher) }.map { (provider, $0) }
    }

    /// A key for both directions with one library, wiped with this.
    private final class Pair {
        let sealing: AEADKey
        let opening: AEADKey

        init(_ cipher: PacketCipher, key: [UInt8], by provider: AEADProvider) throws {
            sealing = try #require(key.withUnsafeBytes { AEADKey.make(cipher, .seal, key: $0, by: provider) })
            opening = try #require(key.withUnsafeBytes { AEADKey.make(cipher, .open, key: $0, by: provider) })
        }

        deinit {
            sealing.destroy()
            opening.destroy()
        }

        func seal(_ plaintext: [UInt8], nonce: [UInt8], ad: [UInt8]) -> [UInt8]? {
            var sealed = [UInt8](repeating: 0xAA, count: plaintext.count + AEADKey.tagLength)
            let isDone = sealing.seal(into: &sealed, plaintext, plaintext.count, nonce: nonce, ad: ad, ad.count)
            return isDone ? sealed : nil
        }

        func open(_ sealed: [UInt8], nonce: [UInt8], ad: [UInt8]) -> [UInt8]? {
            var plaintext = [UInt8](repeating: 0xAA, count: max(1, sealed.count))
            guard opening.open(into: &plaintext, sealed, sealed.count, nonce: nonce, ad: ad, ad.count) else {
                return nil
            }
            return Array(plaintext.prefix(sealed.count - AEADKey.tagLength))
        }
    }

    @Test(arguments: everyVector) func doesAsPublished(provider: AEADProvider, vector: AEADVector) throws {
        let keys = try Pair(vector.cipher, key: vector.key, by: provider)
        // Twice: the second packet of a context is as good as the first.
        for _ in 0..<2 {
            #expect(keys.seal(vector.plaintext, nonce: vector.nonce, ad: vector.ad) == vector.sealed)
            #expect(keys.open(vector.sealed, nonce: vector.nonce, ad: vector.ad) == vector.plaintext)
        }
    }

    @Test(
        .enabled(if: PacketCipher.available().contains(.aes256GCM)),
        arguments: providers, AEADVector.refusedAES256GCM)
    func refusesAsPublished(provider: AEADProvider, vector: AEADVector) throws {
        let keys = try Pair(vector.cipher, key: vector.key, by: provider)
        #expect(keys.open(vector.sealed, nonce: vector.nonce, ad: vector.ad) == nil)
    }

    @Test(arguments: PacketCipher.available()) func allLibrariesDoTheSame(cipher: PacketCipher) throws {
        var generator = SeededGenerator(seed: 11)
        func random(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) } }
        let source = random(Self.length)
        let associated = random(100)
        let key = random(32)
        let first = try Pair(cipher, key: key, by: .openSSL)
        let others = try Self.providers.filter { $0 != .openSSL }.map { try Pair(cipher, key: key, by: $0) }
        for length in 0...Self.length {
            let plaintext = Array(source.prefix(length))
            let ad = Array(associated.prefix(Int.random(in: 0...associated.count, using: &generator)))
            let nonce = random(12)
            let sealed = try #require(first.seal(plaintext, nonce: nonce, ad: ad))
            #expect(first.open(sealed, nonce: nonce, ad: ad) == plaintext)
            for other in others {
                #expect(other.seal(plaintext, nonce: nonce, ad: ad) == sealed)
                #expect(other.open(sealed, nonce: nonce, ad: ad) == plaintext)
            }
        }
        for length in 0...associated.count {
            let ad = Array(associated.prefix(length))
            let nonce = random(12)
            let sealed = try #require(first.seal(ad, nonce: nonce, ad: ad))
            for other in others { #expect(other.open(sealed, nonce: nonce, ad: ad) == ad) }
        }
    }

    @Test(arguments: everyWay) func worksInPlace(provider: AEADProvider, cipher: PacketCipher) throws {
        let keys = try Pair(cipher, key: pattern(32), by: provider)
        let nonce = pattern(12, seed: 3)
        for length in [0, 1, 15, 16, 17, 64, 255, 1184, Self.length] {
            let plaintext = pattern(length, seed: 9)
            let expected = try #require(keys.seal(plaintext, nonce: nonce, ad: [1]))
            var buffer = plaintext + [UInt8](repeating: 0, count: AEADKey.tagLength)
            buffer.withUnsafeMutableBufferPointer { buffer in
                guard let start = buffer.baseAddress else { return }
                // Not inside of #expect: it takes its expression apart, and a pointer to an array would outlive its call.
                let isSealed = keys.sealing.seal(into: start, start, length, nonce: nonce, ad: [1], 1)
                #expect(isSealed)
                #expect(Array(buffer) == expected)
                let isOpened = keys.opening.open(into: start, start, buffer.count, nonce: nonce, ad: [1], 1)
                #expect(isOpened)
                #expect(Array(buffer.prefix(length)) == plaintext)
            }
        }
    }

    @Test(arguments: everyWay) func refusesWhatWasChanged(provider: AEADProvider, cipher: PacketCipher) throws {
        let keys = try Pair(cipher, key: pattern(32), by: provider)
        let other = try Pair(cipher, key: pattern(32, seed: 1), by: provider)
        let nonce = pattern(12)
        let ad = pattern(20)
        for length in [0, 1, 16, 100] {
            let plaintext = pattern(length)
            let sealed = try #require(keys.seal(plaintext, nonce: nonce, ad: ad))
            for bit in 0..<sealed.count * 8 {
                var changed = sealed
                changed[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(keys.open(changed, nonce: nonce, ad: ad) == nil)
            }
            for bit in 0..<ad.count * 8 {
                var changed = ad
                changed[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(keys.open(sealed, nonce: nonce, ad: changed) == nil)
            }
            for cut in 0..<sealed.count { #expect(keys.open(Array(sealed.prefix(cut)), nonce: nonce, ad: ad) == nil) }
            #expect(keys.open(sealed, nonce: pattern(12, seed: 1), ad: ad) == nil)
            #expect(keys.open(sealed, nonce: nonce, ad: Array(ad.dropLast())) == nil)
            #expect(keys.open(sealed + [0], nonce: nonce, ad: ad) == nil)
            #expect(other.open(sealed, nonce: nonce, ad: ad) == nil)
            // A refusal leaves the context as it was.
            #expect(keys.open(sealed, nonce: nonce, ad: ad) == plaintext)
        }
    }

    @Test(arguments: everyWay) func givesNothingOfWhatItRefuses(provider: AEADProvider, cipher: PacketCipher) throws {
        let keys = try Pair(cipher, key: pattern(32), by: provider)
        let nonce = pattern(12)
        let plaintext = pattern(1000, seed: 7)
        var sealed = try #require(keys.seal(plaintext, nonce: nonce, ad: []))
        sealed[1015] ^= 1
        var output = [UInt8](repeating: 0, count: plaintext.count)
        let isOpened = keys.opening.open(into: &output, sealed, sealed.count, nonce: nonce, ad: [], 0)
        #expect(!isOpened)
        #expect(output.allSatisfy { $0 == 0 })
    }

    @Test(arguments: everyWay) func takesKeysOf32BytesOnly(provider: AEADProvider, cipher: PacketCipher) {
        for count in [0, 16, 31, 33] {
            #expect(pattern(count).withUnsafeBytes { AEADKey.make(cipher, .seal, key: $0, by: provider) == nil })
        }
    }

    @Test func theFastestLibraryIsTaken() throws {
        for cipher in PacketCipher.available() {
            let key = try #require(pattern(32).withUnsafeBytes { AEADKey.make(cipher, .open, key: $0) })
            defer { key.destroy() }
            let taken: AEADProvider =
                switch key {
                case .multiBufferAES256GCM, .multiBufferChaCha20Poly1305: .multiBuffer
                case .openSSL: .openSSL
                case .sodiumAES256GCM, .sodiumChaCha20Poly1305: .sodium
                }
            #expect(taken == AEADProvider.ranked(for: cipher).first)
        }
        // What an x86-64 with AES in hardware must have.
        #if arch(x86_64)
            if PacketCipher.available().contains(.aes256GCM) { #expect(AEADProvider.multiBuffer.isAvailable) }
        #endif
    }
}
