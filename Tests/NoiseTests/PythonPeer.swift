import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// The python3 that `scripts/python-env` sets up, with PyPI's `noiseprotocol`.
enum PythonEnvironment {
    /// Nil when it cannot be had; the reason has been printed then.
    static let python: URL? = {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = [Repository.root.appendingPathComponent("scripts/python-env").path]
        process.standardOutput = output
        do {
            try process.run()
            let path = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            if process.terminationStatus == 0 {
                return URL(filePath: path.trimmingCharacters(in: .whitespacesAndNewlines))
            }
        } catch {
            print(error)
        }
        let line = String(repeating: "!", count: 100)
        print(
            "\(line)\n!! SKIPPED: no live interoperability test, because scripts/python-env failed (see above)\n\(line)"
        )
        return nil
    }()
}

/// The other side of a handshake, in Python: `scripts/noise-peer.py` behind a pipe.
final class PythonPeer {
    enum Failure: Error {
        case silent
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

    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var buffer: [UInt8] = []

    init(python: URL) throws {
        process.executableURL = python
        process.arguments = [Repository.root.appendingPathComponent("scripts/noise-peer.py").path]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    func start(_ start: Start) throws {
        _ = try exchange(JSONEncoder().encode(start))
    }

    /// Lets the peer do something, and gives its result.
    func ask(_ what: String, _ data: [UInt8] = []) throws -> [UInt8] {
        try exchange(JSONEncoder().encode(Command(do: what, data: data.hex)))
    }

    private func exchange(_ line: Data) throws -> [UInt8] {
        try input.fileHandleForWriting.write(contentsOf: line + [0x0a])
        let answer = try JSONDecoder().decode(Answer.self, from: Data(readLine()))
        if let error = answer.error {
            throw Failure.refused(error)
        }
        return [UInt8](hex: answer.data ?? "") ?? []
    }

    private func readLine() throws -> [UInt8] {
        while true {
            if let end = buffer.firstIndex(of: 0x0a) {
                defer { buffer.removeFirst(end + 1) }
                return Array(buffer[..<end])
            }
            var descriptor = pollfd(
                fd: output.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
            let more = poll(&descriptor, 1, 30_000) == 1 ? output.fileHandleForReading.availableData : Data()
            guard !more.isEmpty else { throw Failure.silent }
            buffer += more
        }
    }
}
