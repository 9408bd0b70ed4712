import CSodium
import Noise
import Wire

extension KeyFile {
    /// The fields of a sealed file.
    struct Box {
        let cost: Cost
        let salt: [UInt8]
        let nonce: [UInt8]
        let sealedSeed: [UInt8]
        /// All bytes before the box.
        let header: [UInt8]
    }

    /// A key file taken apart: checksum and limits are checked, nothing is decrypted.
    struct Contents {
        let peerID: PeerID
        let box: Box?
        /// Of a plain file; empty when sealed.
        let seed: ArraySlice<UInt8>

        init(_ bytes: [UInt8]) throws(KeyFileError) {
            guard bytes.starts(with: magic) else {
                // A cut that leaves part of the magic, or nothing, is damage too.
                throw magic.starts(with: bytes) ? .damaged : .notAKeyFile
            }
            var reader = ByteReader(bytes.dropFirst(magic.count))
            guard let version = try? reader.readUInt8() else { throw .damaged }
            let body = bytes.dropLast(checksumByteCount)
            let isIntact =
                body.count > magic.count && KeyFile.checksum(Array(body)) == Array(bytes.dropFirst(body.count))
            guard isIntact else { throw .damaged }
            guard version == KeyFile.version else { throw .unsupportedVersion(version) }
            do {
                (peerID, box, seed) = try Contents.parse(body)
            } catch {
                throw .damaged
            }
        }

        private static func parse(_ body: ArraySlice<UInt8>) throws -> (PeerID, Box?, ArraySlice<UInt8>) {
            var reader = ByteReader(body.dropFirst(magic.count + 1))
            let protection = try reader.readUInt8()
            let peerID = try PeerID(reader.readPeerKey())
            switch protection {
            case 0:
                let seed = try reader.readBytes(Identity.seedByteCount)
                try reader.finish()
                return (peerID, nil, seed)
            case 1:
                let (operations, memory) = (try reader.readUInt32(), try reader.readUInt32())
                guard let cost = Cost(operations: operations, checkedMemory: memory) else { throw KeyFileError.damaged }
                let salt = Array(try reader.readBytes(saltByteCount))
                let nonce = Array(try reader.readBytes(nonceByteCount))
                let header = Array(body.dropLast(reader.remaining))
                let sealedSeed = Array(try reader.readBytes(Identity.seedByteCount + tagByteCount))
                try reader.finish()
                return (peerID, Box(cost: cost, salt: salt, nonce: nonce, sealedSeed: sealedSeed, header: header), [])
            default:
                throw KeyFileError.damaged
            }
        }
    }

    static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        Sodium.initialize()
        var digest = [UInt8](repeating: 0, count: checksumByteCount)
        _ = crypto_generichash(&digest, digest.count, bytes, UInt64(bytes.count), nil, 0)
        return digest
    }

    static func stretch(
        _ passphrase: borrowing SecretBytes, salt: [UInt8], cost: Cost
    ) throws(KeyFileError) -> SecretBytes {
        Sodium.initialize()
        let key = SecretBytes.written(count: 32) { key in
            passphrase.withUnsafeBytes { secret in
                guard let text = secret.baseAddress?.assumingMemoryBound(to: CChar.self) else { return -1 }
                return crypto_pwhash(
                    key, 32, text, UInt64(secret.count), salt, UInt64(cost.operations), Int(cost.memory) * 1024,
                    crypto_pwhash_alg_argon2id13())
            }
        }
        guard let key else { throw .outOfMemory }
        return key
    }

    static func encrypt(
        _ seed: borrowing SecretBytes, key: borrowing SecretBytes, nonce: [UInt8], header: [UInt8]
    ) -> [UInt8] {
        var box = [UInt8](repeating: 0, count: seed.count + tagByteCount)
        _ = key.lend { key in
            seed.lend {
                crypto_aead_xchacha20poly1305_ietf_encrypt(
                    &box, nil, $0, UInt64(seed.count), header, UInt64(header.count), nil, nonce, key)
            }
        }
        return box
    }

    static func unseal(_ box: Box, passphrase: borrowing SecretBytes?) throws(KeyFileError) -> SecretBytes {
        switch passphrase {
        case .some(let passphrase): return try decrypt(box, key: stretch(passphrase, salt: box.salt, cost: box.cost))
        case .none: throw .passphraseNeeded
        }
    }

    private static func decrypt(_ box: Box, key: consuming SecretBytes) throws(KeyFileError) -> SecretBytes {
        let seed = SecretBytes.written(count: Identity.seedByteCount) { seed in
            key.lend {
                crypto_aead_xchacha20poly1305_ietf_decrypt(
                    seed, nil, nil, box.sealedSeed, UInt64(box.sealedSeed.count), box.header,
                    UInt64(box.header.count), box.nonce, $0)
            }
        }
        guard let seed else { throw .wrongPassphrase }
        return seed
    }
}
