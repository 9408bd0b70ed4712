import Foundation
import TestTools

/// The python3 that `scripts/python-env` sets up, with PyPI's `noiseprotocol`.
enum PythonEnvironment {
    private static let setUp = Task<String?, Never> {
        let script = Repository.root.appendingPathComponent("scripts/python-env").path
        do {
            let program = try Program("/bin/sh", [script])
            program.closeInput()
            if try await program.ending(within: 600) == .code(0) {
                return program.output.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            print(program.errors)
        } catch {
            print(error)
        }
        let line = String(repeating: "!", count: 100)
        print(
            "\(line)\n!! SKIPPED: no live interoperability test, because scripts/python-env failed (see above)\n\(line)"
        )
        return nil
    }

    /// Its path; nil when it cannot be had: the reason has been printed then.
    static func python() async -> String? { await setUp.value }
}

/// The other side of a handshake, in Python: `scripts/noise-peer.py` behind a pipe.
final class PythonPeer {
    enum Failure: Error {
        case refused(String)
    }

    struct Start: Encodable {
        var `do` = "start"
        let name: String
        let role: String
        let prologue: String
        let s: String?
        let rs: String?
        let psks: [String]
    }

    private struct Command: Encodable {
        let `do`: String
        let data: String
    }

    private struct Answer: Decodable {
        let data: String?
        let error: String?
    }

    private let program: Program

    init(python: String) throws {
        program = try Program(python, [Repository.root.appendingPathComponent("scripts/noise-peer.py").path])
    }

    func start(_ start: Start) async throws {
        _ = try await exchange(JSONEncoder().encode(start))
    }

    /// Lets the peer do something, and gives its result.
    func ask(_ what: String, _ data: [UInt8] = []) async throws -> [UInt8] {
        try await exchange(JSONEncoder().encode(Command(do: what, data: data.hex)))
    }

    private func exchange(_ line: Data) async throws -> [UInt8] {
        try program.write(String(decoding: line, as: UTF8.self) + "\n")
        let answer = try JSONDecoder().decode(Answer.self, from: Data(try await program.line().utf8))
        if let error = answer.error {
            throw Failure.refused(error)
        }
        return [UInt8](hex: answer.data ?? "") ?? []
    }
}
