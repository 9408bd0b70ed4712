import CSodium
package import Noise
import Wire

// Layout, integers big-endian:
//   magic "SOTTOKEY" 8 | version u8 = 1 | protection u8 | peer id 32
//   protection 0 (none):        seed 32
//   protection 1 (passphrase):  operations u32 | memory u32 (KiB) | salt 16 | nonce 24 | box 48
//   checksum 32
// The box is XChaCha20-Poly1305 of the seed under Argon2id(passphrase, salt, operations, memory, 1 lane), 32 bytes;
// all that stands before the box is its associated data. The checksum is BLAKE2b-256 of all that stands before it: it
// tells a damaged file from a wrong passphrase, and protects nothing else. Files of every version begin with the magic
// and the version and end with this checksum.

/// Why a key file cannot be made or opened.
package enum KeyFileError: Error, Hashable, Sendable {
    /// It is something else: the first bytes are wrong.
    case notAKeyFile
    /// It was cut, or bytes in it have changed. Restore it from a copy.
    case damaged
    /// The passphrase is wrong.
    case wrongPassphrase
    /// The file is sealed, and no passphrase was given.
    case passphraseNeeded
    /// A passphrase must not be empty.
    case emptyPassphrase
    /// A later version of the program wrote it.
    case unsupportedVersion(UInt8)
    /// Argon2id could not get the memory that it needs.
    case outOfMemory
}

/// The file that keeps an identity, as bytes: sealed with a passphrase, or plain for who said so.
package enum KeyFile {
    /// What Argon2id costs.
    package struct Cost: Hashable, Sendable {
        /// Passes over the memory, 1…16.
        package let operations: UInt32
        /// Memory in KiB, 8…1,048,576.
        package let memory: UInt32

        /// Libsodium's moderate limits: 3 passes over 256 MiB, about a second.
        package static let moderate = Cost(operations: 3, memory: 256 * 1024)
        /// The least that Argon2id can do. Protects nothing: for tests.
        package static let least = Cost(operations: 1, memory: 8)

        /// Nil outside of the limits. They bound what a damaged or planted file can demand.
        package init?(operations: UInt32, checkedMemory memory: UInt32) {
            guard (1...16).contains(operations), (8...1024 * 1024).contains(memory) else { return nil }
            self.init(operations: operations, memory: memory)
        }

        private init(operations: UInt32, memory: UInt32) {
            self.operations = operations
            self.memory = memory
        }
    }

    /// What a key file says without its passphrase.
    package struct Summary: Hashable, Sendable {
        /// Whose key it holds. Proven only by opening it.
        package let peerID: PeerID
        /// Whether a passphrase is needed.
        package let isSealed: Bool
    }

    static let magic = Array("SOTTOKEY".utf8)
    static let version: UInt8 = 1
    static let checksumByteCount = 32
    static let saltByteCount = 16
    static let nonceByteCount = 24
    static let tagByteCount = 16

    /// The bytes of a key file. Sealed when there is a passphrase, else plain: whoever reads the file has the identity,
    /// so keep it readable to its owner alone. Throws `emptyPassphrase` and `outOfMemory`.
    package static func seal(
        _ identity: Identity, passphrase: borrowing SecretBytes?, cost: Cost = .moderate
    ) throws(KeyFileError) -> [UInt8] {
        var writer = ByteWriter(capacity: 256)
        writer.write(magic)
        writer.write(version)
        switch passphrase {
        case .none:
            writer.write(UInt8(0))
            writer.write(identity.peerID.key)
            identity.copySeed().withUnsafeBytes { writer.write($0) }
        case .some(let passphrase):
            guard !passphrase.isEmpty else { throw .emptyPassphrase }
            let salt = Sodium.randomBytes(count: saltByteCount)
            let nonce = Sodium.randomBytes(count: nonceByteCount)
            let key = try stretch(passphrase, salt: salt, cost: cost)
            writer.write(UInt8(1))
            writer.write(identity.peerID.key)
            writer.write(cost.operations)
            writer.write(cost.memory)
            writer.write(salt)
            writer.write(nonce)
            let header = writer.bytes
            writer.write(encrypt(identity.copySeed(), key: key, nonce: nonce, header: header))
        }
        writer.write(checksum(writer.bytes))
        return writer.bytes
    }

    /// What the file says without its passphrase. Throws as `open` does, but neither `wrongPassphrase` nor
    /// `passphraseNeeded`.
    package static func summary(_ bytes: [UInt8]) throws(KeyFileError) -> Summary {
        let contents = try Contents(bytes)
        return Summary(peerID: contents.peerID, isSealed: contents.box != nil)
    }

    /// The identity in a key file. The passphrase is not looked at when the file is plain. Throws `notAKeyFile`,
    /// `damaged`, `unsupportedVersion`, `passphraseNeeded`, `wrongPassphrase`, `outOfMemory`.
    package static func open(_ bytes: [UInt8], passphrase: borrowing SecretBytes?) throws(KeyFileError) -> Identity {
        let contents = try Contents(bytes)
        let seed: SecretBytes
        if let box = contents.box {
            seed = try unseal(box, passphrase: passphrase)
        } else {
            seed = SecretBytes(copying: contents.seed)
        }
        guard let identity = try? Identity(seed: seed), identity.peerID == contents.peerID else { throw .damaged }
        return identity
    }
}
