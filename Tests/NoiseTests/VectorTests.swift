import Foundation
import Noise
import Testing

/// A file of vectors to run.
struct VectorFile: CustomTestStringConvertible, Sendable {
    let url: URL

    var testDescription: String { url.lastPathComponent }

    /// The committed set, the files that the environment names, and cacophony's where it is kept beside the package.
    static let all: [VectorFile] = {
        let committed = ["noise.json", "noise-hybrid.json"].compactMap {
            Bundle.module.resourceURL?.appendingPathComponent("Vectors").appendingPathComponent($0)
        }
        let named = ProcessInfo.processInfo.environment["SOTTO_NOISE_VECTORS"] ?? ""
        let beside = Repository.root.appendingPathComponent("../shared/vectors/cacophony.txt").standardizedFileURL
        var files = (committed + named.split(separator: ":").map { URL(filePath: String($0)) })
            .map { VectorFile(url: $0) }
        if FileManager.default.fileExists(atPath: beside.path), !files.contains(where: { $0.url == beside }) {
            files.append(VectorFile(url: beside))
        }
        return files
    }()
}

@Suite("Test vectors")
struct VectorTests {
    private struct Content: Decodable {
        let vectors: [TestVector]
    }

    @Test("every supported vector of a file is reproduced by both sides", arguments: VectorFile.all)
    func reproducesEverySupportedVector(_ file: VectorFile) throws {
        let vectors = try JSONDecoder().decode(Content.self, from: Data(contentsOf: file.url)).vectors
        var skipped: [String: Int] = [:]
        for vector in vectors {
            if let reason = reasonToSkip(vector.protocolName) {
                skipped[reason, default: 0] += 1
            } else {
                try run(vector)
            }
        }
        let count = skipped.values.reduce(0, +)
        let reasons = skipped.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        print(
            "Noise vectors: \(file.url.lastPathComponent): ran \(vectors.count - count), skipped \(count) as unsupported"
                + (reasons.isEmpty ? "" : " (\(reasons))"))
        #expect(count < vectors.count, "nothing of \(file.url.path) was run")
    }

    /// Only what the module says it lacks may be skipped: an unknown function, or AES without hardware.
    private func reasonToSkip(_ name: String) -> String? {
        let parts = name.split(separator: "_")
        if let unknown = parts.first(where: { ["448", "BLAKE2s"].contains($0) }) {
            return String(unknown)
        }
        if name.hasPrefix("NoisePSK_") {
            return "names of older revisions"
        }
        return parts.contains("AESGCM") && !CipherFunction.aesGCM.isAvailable ? "AES without hardware" : nil
    }

    private func run(_ vector: TestVector) throws {
        let label = Comment(rawValue: vector.protocolName)
        let name = try ProtocolName(vector.protocolName)
        var initiator = try vector.initiator(name)
        var responder = try vector.responder(name)
        let initiatorBegins = initiator.isOurTurn
        var index = 0
        while !initiator.isFinished {
            let message = vector.messages[index]
            let fromInitiator = initiator.isOurTurn
            let written =
                fromInitiator
                ? try initiator.writeMessage(message.payload.bytes)
                : try responder.writeMessage(message.payload.bytes)
            #expect(written == message.ciphertext.bytes, label)
            let read = fromInitiator ? try responder.readMessage(written) : try initiator.readMessage(written)
            #expect(read == message.payload.bytes, label)
            index += 1
        }
        let bothFinished = responder.isFinished
        #expect(bothFinished, label)
        let isOneWay = vector.protocolName.split(separator: "_")[1].prefix { !$0.isLowercase }.count == 1
        var left = try initiator.split()
        var right = try responder.split()
        if let hash = vector.handshakeHash {
            let (leftHash, rightHash) = (left.handshakeHash, right.handshakeHash)
            #expect(leftHash == hash.bytes, label)
            #expect(rightHash == hash.bytes, label)
        }
        for (position, message) in vector.messages.enumerated().dropFirst(index) {
            let fromInitiator = isOneWay || position.isMultiple(of: 2) == initiatorBegins
            let payload = message.payload.bytes
            let written =
                fromInitiator ? try left.send.encryptWithAd([], payload) : try right.send.encryptWithAd([], payload)
            #expect(written == message.ciphertext.bytes, label)
            let read =
                fromInitiator
                ? try right.receive.decryptWithAd([], written) : try left.receive.decryptWithAd([], written)
            #expect(read == payload, label)
        }
    }
}
