import Foundation
import Identity
import Noise
import Testing

@testable import Ratchet

/// Against vectors of independent implementations (scripts/ratchet-vectors.py).
@Suite struct VectorTests {
    @Test func keyAgreementWithoutThePostQuantumSecretIsThatOfX3DH() throws {
        for vector in try Vectors.load().x3dh {
            let alice = try identity(vector.initiatorSeed)
            let bob = try identity(vector.responderSeed)
            let signed = try dhKey(vector.signedPrekey)
            let oneTime = try vector.oneTimePrekey.map { try dhKey($0) }
            let ephemeral = try dhKey(vector.ephemeral)
            let initiator = try PQXDH.initiatorShared(
                identity: alice, peer: bob.peerID, signed: signed.publicKey, oneTime: oneTime?.publicKey,
                ephemeral: ephemeral)
            let responder = try PQXDH.responderShared(
                identity: bob, peer: alice.peerID, signed: signed, oneTime: oneTime, ephemeral: ephemeral.publicKey)
            #expect(bytes(PQXDH.derive(initiator).root.bytes) == vector.sharedSecret.bytes)
            #expect(bytes(PQXDH.derive(responder).root.bytes) == vector.sharedSecret.bytes)
        }
    }

    @Test func prekeysAndTheirSignaturesAreByteForByteTheSame() throws {
        for vector in try Vectors.load().conversations {
            let bob = try identity(vector.responderSeed)
            let signed = try PrekeyRecord(pair(vector.signedPrekey), kind: .signed, signedBy: bob)
            #expect(signed.encode() == vector.signedPrekey.record.bytes)
            if let oneTime = vector.oneTimePrekey {
                let record = try PrekeyRecord(pair(oneTime), kind: .oneTime, signedBy: bob)
                #expect(record.encode() == oneTime.record.bytes)
            }
        }
    }

    @Test func pqxdhGivesTheSameSecretsOnBothSides() throws {
        for vector in try Vectors.load().conversations {
            let (secrets, prefix) = try initiate(vector)
            #expect(prefix.bytes == vector.prefix)
            #expect(Session.id(of: prefix) == vector.session.bytes)
            let expected = vector.secrets.map(\.bytes)
            #expect(list(secrets) == expected)
            let responded = try PQXDH.respond(
                to: PQXDHPrefix(prefix.bytes), from: identity(vector.initiatorSeed).peerID,
                identity: identity(vector.responderSeed), signed: pair(vector.signedPrekey),
                oneTime: vector.oneTimePrekey.map { try pair($0) })
            #expect(list(responded) == expected)
        }
    }

    /// Both sides, each message byte for byte, with keys skipped in this chain and in earlier ones, and with both states stored
    /// and read again between steps.
    @Test func conversationsAreByteForByteTheSame() throws {
        for vector in try Vectors.load().conversations {
            let alice = try identity(vector.initiatorSeed)
            let bob = try identity(vector.responderSeed)
            let signed = try pair(vector.signedPrekey)
            var prekeys = PrekeySet(
                owner: bob.peerID, signed: [PrekeySet.Signed(pair: signed, replacedAt: 0)],
                batch: [UInt8](repeating: 0, count: 16), oneTime: try vector.oneTimePrekey.map { [try pair($0)] } ?? [])
            let none = try PrekeySet.generate(for: alice, now: 0)
            let (secrets, prefix) = try initiate(vector)
            var initiator = try PeerRatchet(own: alice.peerID, peer: bob.peerID)
                .opening(secrets, prefix, remote: signed.dhKey.publicKey, .known(vector.firstRatchetKey.bytes))
            var responder = PeerRatchet(own: bob.peerID, peer: alice.peerID)
            var sent: [Int: (ciphertext: [UInt8], plaintext: [UInt8])] = [:]
            for event in vector.events {
                let isInitiator = event.by == "initiator"
                var state = isInitiator ? initiator : responder
                let entropy = Entropy.known(event.entropy.bytes)
                if let number = event.sends, let plaintext = event.plaintext?.bytes {
                    let (next, ciphertext) = try state.encrypting(plaintext, entropy)
                    #expect(ciphertext == event.ciphertext?.bytes)
                    sent[number] = (ciphertext, plaintext)
                    state = next
                } else if let number = event.receives, let message = sent[number] {
                    let (next, plaintext, changed) = try state.decrypting(
                        message.ciphertext, identity: isInitiator ? alice : bob, prekeys: isInitiator ? none : prekeys,
                        entropy)
                    #expect(plaintext == message.plaintext)
                    state = next
                    prekeys = changed ?? prekeys
                }
                state = try PeerRatchet(decoding: state.encode(), own: state.own, peer: state.peer)
                if isInitiator { initiator = state } else { responder = state }
            }
            #expect(initiator.skippedCount == 0 && responder.skippedCount == 0)
        }
    }

    private func initiate(
        _ vector: Vectors.Conversation
    ) throws -> (secrets: PQXDH.Secrets, prefix: PQXDHPrefix) {
        let bob = try identity(vector.responderSeed).peerID
        let bundle = try PrekeyBundle(
            decoding: [1] + bob.bytes + vector.signedPrekey.record.bytes + (vector.oneTimePrekey?.record.bytes ?? []))
        try bundle.verify(for: bob, now: vector.signedPrekey.time)
        let encapsulation = Encapsulation(
            shared: Secret(SecretBytes(copying: vector.kemSecret.bytes)), ciphertext: vector.kemCiphertext.bytes)
        return try PQXDH.initiate(
            bundle, identity: identity(vector.initiatorSeed), ephemeral: dhKey(vector.ephemeral)
        ) { _ in encapsulation }
    }

    private func list(_ secrets: PQXDH.Secrets) -> [[UInt8]] {
        [secrets.root, secrets.initiatorHeader, secrets.responderHeader].map { bytes($0.bytes) }
    }

    private func identity(_ seed: Hex) throws -> Identity {
        try Identity(seed: SecretBytes(copying: seed.bytes))
    }

    private func dhKey(_ secret: Hex) throws -> DHKey {
        try DHKey(secret: SecretBytes(copying: secret.bytes))
    }

    private func pair(_ vector: Vectors.Prekey) throws -> PrekeyPair {
        try PrekeyPair(
            id: PrekeyID(rawValue: vector.id), time: vector.time,
            .known(vector.dhSecret.bytes + vector.kemSeed.bytes))
    }
}

/// Bytes in hexadecimal.
struct Hex: Decodable {
    let bytes: [UInt8]

    init(from decoder: any Decoder) throws {
        let text = Array(try decoder.singleValueContainer().decode(String.self))
        bytes = try stride(from: 0, to: text.count, by: 2).map { index in
            try #require(UInt8(String(text[index..<min(index + 2, text.count)]), radix: 16))
        }
    }
}

struct Vectors: Decodable {
    struct X3DH: Decodable {
        let initiatorSeed: Hex
        let responderSeed: Hex
        let signedPrekey: Hex
        let oneTimePrekey: Hex?
        let ephemeral: Hex
        let sharedSecret: Hex
    }

    struct Prekey: Decodable {
        let id: UInt32
        let time: UInt64
        let dhSecret: Hex
        let kemSeed: Hex
        let record: Hex
    }

    struct Event: Decodable {
        let by: String
        let sends: Int?
        let receives: Int?
        let entropy: Hex
        let plaintext: Hex?
        let ciphertext: Hex?
    }

    struct Conversation: Decodable {
        let initiatorSeed: Hex
        let responderSeed: Hex
        let signedPrekey: Prekey
        let oneTimePrekey: Prekey?
        let ephemeral: Hex
        let kemSecret: Hex
        let kemCiphertext: Hex
        let secrets: [Hex]
        let session: Hex
        let firstRatchetKey: Hex
        let events: [Event]

        /// As it stands in the first message.
        var prefix: [UInt8] {
            Array(events.first?.ciphertext?.bytes.dropFirst().prefix(PQXDHPrefix.byteCount) ?? [])
        }
    }

    let x3dh: [X3DH]
    let conversations: [Conversation]

    static func load() throws -> Vectors {
        let url = try #require(
            Bundle.module.url(forResource: "ratchet", withExtension: "json", subdirectory: "Vectors"))
        return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: url))
    }
}
