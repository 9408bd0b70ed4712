import Foundation
import NATLab

/// The python3 that `scripts/python-env` sets up, with PyPI's `noiseprotocol`.
enum PythonEnvironment {
    /// Nil when it cannot be had; the reason has been printed then.
    static var python: String? {
        get async { await search.value }
    }

    private static let search = Task { () -> String? in
        do {
            let script = Repository.root.appendingPathComponent("scripts/python-env").path
            let process = try LabProcess.onThisMachine("/bin/sh", [script])
            process.closeInput()
            let status = try await process.exit(within: .seconds(300))
            if status.succeeded { return process.lines.last?.text }
            print(process.errorText)
        } catch {
            print(error)
        }
        let line = String(repeating: "!", count: 100)
        print(
            "\(line)\n!! SKIPPED: no live interoperability test, because scripts/python-env failed (see above)\n\(line)"
        )
        return nil
    }
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

    private let process: LabProcess

    init(python: String) throws {
        let script = Repository.root.appendingPathComponent("scripts/noise-peer.py").path
        process = try LabProcess.onThisMachine(python, [script])
    }

    deinit { process.closeInput() }

    func start(_ start: Start) async throws {
        _ = try await exchange(JSONEncoder().encode(start))
    }

    /// Lets the peer do something, and gives its result.
    func ask(_ what: String, _ data: [UInt8] = []) async throws -> [UInt8] {
        try await exchange(JSONEncoder().encode(Command(do: what, data: data.hex)))
    }

    private func exchange(_ line: Data) async throws -> [UInt8] {
        try process.write(String(decoding: line, as: UTF8.self) + "\n")
        let text = try await process.nextLine(within: .seconds(60)).text
        let answer = try JSONDecoder().decode(Answer.self, from: Data(text.utf8))
        if let error = answer.error {
            throw Failure.refused(error)
        }
        return [UInt8](hex: answer.data ?? "") ?? []
    }
}
