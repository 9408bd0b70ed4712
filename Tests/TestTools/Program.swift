import CTestTools
import Foundation

/// A program that a test runs on this machine, and what it has written.
///
/// Foundation's `Process` will not do: AddressSanitizer ends whoever starts a program with it (Swift 6.3.1 reads beyond the
/// end of a directory entry in `findMaximumOpenFromProcSelfFD`). Nor will the NAT laboratory's, which starts programs in
/// other namespaces, by ways that ThreadSanitizer does not follow.
package final class Program: Sendable {
    /// How it ended.
    package enum Ending: Hashable, Sendable {
        case code(Int32)
        case signal(Int32)
    }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// The command line, for messages.
    package let name: String
    private let watch: ProgramWatch
    private let input: ProgramInput

    /// Starts a program. It reads what ``write(_:)`` says, and inherits no descriptor.
    ///
    /// - Parameters:
    ///   - path: of the program.
    ///   - directory: where it runs; nil: here.
    ///   - environment: nil: this process's, without the project's own variables.
    /// - Throws: ``Failure``.
    package init(
        _ path: String, _ arguments: [String], directory: String? = nil, environment: [String: String]? = nil
    ) throws {
        name = ([path] + arguments).joined(separator: " ")
        let environment =
            environment ?? ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SOTTO_") }
        let (reading, writing) = try Self.pipe()
        let (output, outputEnd) = try Self.pipe()
        let (errors, errorEnd) = try Self.pipe()
        defer { for end in [reading, outputEnd, errorEnd] { close(end) } }
        do {
            let id = try Self.spawn(
                [path] + arguments, environment.map { "\($0.key)=\($0.value)" }, directory,
                [reading, outputEnd, errorEnd])
            watch = ProgramWatch(id, output: output, errors: errors)
        } catch {
            for end in [writing, output, errors] { close(end) }
            throw error
        }
        input = ProgramInput(writing)
        watch.start()
    }

    deinit {
        watch.signal(SIGKILL)
        input.close()
    }

    // MARK: Talking to it

    package func write(_ text: String) throws {
        guard input.write(Array(text.utf8)) else { throw Failure(description: "\(name) does not read") }
    }

    /// It reads the end of the file.
    package func closeInput() { input.close() }

    /// Sends a signal; a program that is gone is left in peace.
    package func signal(_ number: Int32) { watch.signal(number) }

    // MARK: What it says

    /// Its number, which may belong to another once it has ended.
    package var processID: Int32 { watch.id }

    /// Everything on standard output so far.
    package var output: String { String(decoding: watch.state.output, as: UTF8.self) }

    /// Everything on standard error so far.
    package var errors: String { String(decoding: watch.state.errors, as: UTF8.self) }

    /// The next whole line of standard output, or the next that contains `part`; lines before it are passed over.
    package func line(_ part: String? = nil, within seconds: Double = 120) async throws -> String {
        try await watch.first("a line with '\(part ?? "")' from \(name)", within: seconds) { state in
            while let end = state.output[state.position...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: state.output[state.position..<end], as: UTF8.self)
                state.position = end + 1
                if part.map({ line.contains($0) }) ?? true { return line }
            }
            return nil
        }
    }

    /// How it ended, once it has and all it wrote was read.
    package func ending(within seconds: Double = 120) async throws -> Ending {
        try await watch.first("the end of \(name)", within: seconds) { $0.ending }
    }

    // MARK: Starting

    private static func pipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [-1, -1]
        guard test_pipe(&ends) == 0 else { throw Failure(description: "no pipe: \(errno)") }
        return (ends[0], ends[1])
    }

    private static func spawn(
        _ arguments: [String], _ environment: [String], _ directory: String?, _ descriptors: [Int32]
    ) throws -> pid_t {
        let argumentTexts = arguments.map { strdup($0) } + [nil]
        let environmentTexts = environment.map { strdup($0) } + [nil]
        defer { for text in argumentTexts + environmentTexts { free(text) } }
        var id: pid_t = 0
        let result = test_spawn(&id, argumentTexts, environmentTexts, directory, descriptors)
        guard result == 0 else {
            throw Failure(description: "cannot start \(arguments[0]): \(String(cString: strerror(result)))")
        }
        return id
    }
}

/// The writing end of a program's standard input.
///
/// `@unchecked Sendable`.
/// Safety: `descriptor` is guarded by the lock.
final class ProgramInput: @unchecked Sendable {
    private let lock = NSLock()
    private var descriptor: Int32

    init(_ descriptor: Int32) {
        // Who writes to a program that is gone gets an error, not a signal.
        signal(SIGPIPE, SIG_IGN)
        self.descriptor = descriptor
    }

    /// Writes all of it; false when nobody reads any more.
    func write(_ bytes: [UInt8]) -> Bool {
        lock.withLock {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }
    }

    func close() {
        lock.withLock {
            if descriptor >= 0 { Glibc.close(descriptor) }
            descriptor = -1
        }
    }
}
