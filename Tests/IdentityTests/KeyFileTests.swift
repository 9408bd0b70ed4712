import Noise
import Testing
import Wire

@testable import Identity

@Suite struct KeyFileTests {
    static func passphrase(_ text: String) -> SecretBytes { SecretBytes(copying: Array(text.utf8)) }

    static func sealed() throws -> [UInt8] {
        try KeyFile.seal(Sample.first(), passphrase: passphrase("correct horse"), cost: .least)
    }

    static func plain() throws -> [UInt8] {
        try KeyFile.seal(Sample.first(), passphrase: nil)
    }

    /// Replaces the checksum by the right one, as somebody would who writes a file on purpose.
    static func repaired(_ bytes: [UInt8]) -> [UInt8] {
        let body = Array(bytes.dropLast(KeyFile.checksumByteCount))
        return body + KeyFile.checksum(body)
    }

    @Test func opensWithItsPassphrase() throws {
        let file = try Self.sealed()
        #expect(file.count == 170)
        #expect(try KeyFile.open(file, passphrase: Self.passphrase("correct horse")).peerID.description == Sample.text1)
        #expect(try KeyFile.summary(file) == KeyFile.Summary(peerID: PeerID(text: Sample.text1), isSealed: true))
    }

    @Test func plainFilesHaveTheBytesOfTheLayout() throws {
        let file = try Self.plain()
        #expect(Array(file.dropLast(32)) == Array("SOTTOKEY".utf8) + hex("01 00 \(Sample.public1) \(Sample.seed1)"))
        #expect(try KeyFile.open(file, passphrase: nil).peerID.description == Sample.text1)
        #expect(try KeyFile.open(file, passphrase: Self.passphrase("not needed")).peerID.description == Sample.text1)
        #expect(try KeyFile.summary(file).isSealed == false)
    }

    @Test func sealedFilesDoNotHoldTheSeed() throws {
        let (file, seed) = (try Self.sealed(), hex(Sample.seed1))
        #expect(!file.indices.contains { file[$0...].starts(with: seed.prefix(8)) })
        #expect(try Self.sealed() != file)
    }

    @Test func refusesWrongPassphrases() throws {
        let file = try Self.sealed()
        for text in ["", "correct hors", "correct horse ", "Correct horse", "correct horse\0"] {
            #expect(throws: KeyFileError.wrongPassphrase) { try KeyFile.open(file, passphrase: Self.passphrase(text)) }
        }
        #expect(throws: KeyFileError.passphraseNeeded) { try KeyFile.open(file, passphrase: nil) }
        #expect(throws: KeyFileError.emptyPassphrase) {
            try KeyFile.seal(Sample.first(), passphrase: Self.passphrase(""), cost: .least)
        }
    }

    @Test func tellsDamageFromAWrongPassphrase() throws {
        for file in [try Self.sealed(), try Self.plain()] {
            for index in file.indices {
                var changed = file
                changed[index] ^= 0x10
                let expected: KeyFileError = index < 8 ? .notAKeyFile : .damaged
                #expect(throws: expected) {
                    try KeyFile.open(changed, passphrase: Self.passphrase("correct horse"))
                }
                #expect(throws: expected) { try KeyFile.summary(changed) }
            }
        }
    }

    @Test func everyCutIsDamage() throws {
        for file in [try Self.sealed(), try Self.plain()] {
            for count in file.indices {
                #expect(throws: KeyFileError.damaged) {
                    try KeyFile.open(Array(file.prefix(count)), passphrase: Self.passphrase("correct horse"))
                }
            }
            #expect(throws: KeyFileError.damaged) { try KeyFile.open(file + [0], passphrase: nil) }
        }
    }

    @Test(arguments: [
        "", "S", "not a key file", "{\"event\":\"ready\"}",
    ])
    func saysWhenItIsSomethingElse(text: String) {
        let expected: KeyFileError = text.count < 2 ? .damaged : .notAKeyFile
        #expect(throws: expected) { try KeyFile.open(Array(text.utf8), passphrase: nil) }
    }

    @Test(arguments: [
        (0 as UInt32, 8 as UInt32), (17, 8), (1, 7), (1, 0), (1, 1_048_577), (1, 0x4000_0000), (1, .max), (.max, .max),
    ])
    func refusesCostsThatNobodyWouldWrite(operations: UInt32, memory: UInt32) throws {
        var file = try Self.sealed()
        var writer = ByteWriter()
        writer.write(operations)
        writer.write(memory)
        file.replaceSubrange(42..<50, with: writer.bytes)
        #expect(throws: KeyFileError.damaged) {
            try KeyFile.open(Self.repaired(file), passphrase: Self.passphrase("correct horse"))
        }
    }

    @Test func theHeaderIsPartOfWhatIsSealed() throws {
        let passphrase = "correct horse"
        let file = try Self.sealed()
        for (range, bytes) in [(10..<42, hex(Sample.public2)), (42..<46, [0, 0, 0, 2]), (46..<50, [0, 0, 0, 9])] {
            var changed = file
            changed.replaceSubrange(range, with: bytes)
            #expect(throws: KeyFileError.wrongPassphrase) {
                try KeyFile.open(Self.repaired(changed), passphrase: Self.passphrase(passphrase))
            }
        }
    }

    @Test func saysWhenALaterVersionWroteTheFile() throws {
        var file = try Self.sealed()
        file[8] = 2
        #expect(throws: KeyFileError.unsupportedVersion(2)) { try KeyFile.open(Self.repaired(file), passphrase: nil) }
    }

    @Test func aPlainFileWithTheKeyOfAnotherIsDamaged() throws {
        var file = try Self.plain()
        file.replaceSubrange(10..<42, with: hex(Sample.public2))
        #expect(throws: KeyFileError.damaged) { try KeyFile.open(Self.repaired(file), passphrase: nil) }
    }

    @Test func theDefaultCostIsThatOfLibsodiumsModerateLimits() {
        #expect(KeyFile.Cost.moderate.operations == 3)
        #expect(KeyFile.Cost.moderate.memory == 262_144)
        #expect(KeyFile.Cost(operations: 3, checkedMemory: 262_144) == .moderate)
    }
}
