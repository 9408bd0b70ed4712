import CNATLab
import Foundation

/// A line that a program wrote, without its line end, and when it was read.
package struct OutputLine: Sendable {
    package let text: String
    package let time: ContinuousClock.Instant

    package init(text: String, time: ContinuousClock.Instant) {
        self.text = text
        self.time = time
    }
}

/// A program running in the laboratory. It dies with the laboratory, and so do its own children.
package final class LabProcess: Sendable {
    struct Output: Sendable {
        var lines: [OutputLine] = []
        var errors: [UInt8] = []
        var partial: [UInt8] = []
        /// Index of the first line that ``LabProcess/nextLine(within:)`` has not given out.
        var cursor = 0
        var exit: ExitStatus?
        var reaped = false
        var outputIsOpen = true
        var errorsAreOpen = true

        /// Adds what was read, cut into lines.
        mutating func take(_ bytes: [UInt8], at now: ContinuousClock.Instant) {
            partial += bytes
            guard let last = partial.lastIndex(of: UInt8(ascii: "\n")) else { return }
            for line in partial[..<last].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
                lines.append(OutputLine(text: String(decoding: line, as: UTF8.self), time: now))
            }
            partial.removeSubrange(...last)
        }

        /// Turns what follows the last line end into a line.
        mutating func endLine(at now: ContinuousClock.Instant) {
            if !partial.isEmpty { take([UInt8(ascii: "\n")], at: now) }
        }
    }

    /// What an observer is told, in order, on the laboratory's own thread.
    package enum Change: Sendable {
        case line(OutputLine)
        case ended(ExitStatus)
    }

    package typealias Observer = @Sendable (Change) -> Void

    /// The command line, for messages.
    package let name: String
    /// The process id as seen from outside the laboratory.
    package let processID: Int32

    private let output = Watched(Output())
    private let input: Locked<Int32>
    private let outputDescriptor: Int32
    private let errorDescriptor: Int32
    private let observer: Observer?

    init(
        name: String, processID: Int32, input: Int32, output: Int32, error: Int32, observer: Observer?
    ) throws(LabError) {
        self.observer = observer
        self.name = name
        self.processID = processID
        self.input = Locked(input)
        outputDescriptor = output
        errorDescriptor = error
        let process = natlab_process_descriptor(processID)
        guard process >= 0 else { throw lastError("watch a process") }
        Reactor.shared.watch(output) { [self] in readOutput() }
        Reactor.shared.watch(error) { [self] in readErrors() }
        Reactor.shared.watch(process) { [self] in ended(process) }
    }

    // MARK: Output

    /// Everything written to standard output so far, line by line.
    package var lines: [OutputLine] { output.value.lines }

    /// Everything written to standard error so far.
    package var errorText: String { String(decoding: output.value.errors, as: UTF8.self) }

    /// Everything written to standard output so far, also what has no line end yet.
    package var everything: String { LabProcess.everything(output.value) }

    /// Waits until standard output contains a text, wherever the lines end; consumes nothing.
    package func text(_ part: String, within limit: Duration = .seconds(20)) async throws {
        try await output.first("\(part) from \(name)", within: limit, describe: LabProcess.everything) { output in
            if LabProcess.everything(output).contains(part) { return () }
            if let exit = output.exit {
                throw LabError.ended(waitingFor: part, exit, sofar: LabProcess.everything(output))
            }
            return nil
        }
    }

    private static func everything(_ output: Output) -> String {
        output.lines.map { $0.text + "\n" }.joined() + String(decoding: output.partial, as: UTF8.self)
    }

    /// The next line not yet given out, waiting for it.
    package func nextLine(within limit: Duration = .seconds(10)) async throws -> OutputLine {
        try await nextLine("a line", within: limit) { _ in true }
    }

    /// The next line not yet given out that satisfies the condition; lines before it are skipped.
    ///
    /// - Throws: ``LabError/timedOut(waitingFor:_:sofar:)``, or ``LabError/ended(waitingFor:_:sofar:)`` when the
    ///   program is gone.
    package func nextLine(
        _ what: String, within limit: Duration = .seconds(10),
        where matches: @escaping @Sendable (String) -> Bool
    ) async throws -> OutputLine {
        try await output.first(
            "\(what) from \(name)", within: limit, describe: LabProcess.transcript
        ) { output in
            while output.cursor < output.lines.count {
                output.cursor += 1
                if matches(output.lines[output.cursor - 1].text) { return output.lines[output.cursor - 1] }
            }
            if let exit = output.exit {
                throw LabError.ended(waitingFor: what, exit, sofar: LabProcess.transcript(output))
            }
            return nil
        }
    }

    /// Waits until the lines written so far satisfy a condition; consumes nothing.
    package func firstOutput<Result: Sendable>(
        _ what: String, within limit: Duration = .seconds(10),
        _ check: @escaping @Sendable ([OutputLine]) -> Result?
    ) async throws -> Result {
        try await output.first(
            "\(what) from \(name)", within: limit, describe: LabProcess.transcript
        ) { output in
            if let result = check(output.lines) { return result }
            if let exit = output.exit {
                throw LabError.ended(waitingFor: what, exit, sofar: LabProcess.transcript(output))
            }
            return nil
        }
    }

    static func transcript(_ output: Output) -> String {
        let lines = output.lines.suffix(12).map(\.text).joined(separator: "\n  ")
        let errors = String(decoding: output.errors.suffix(2000), as: UTF8.self)
        return "\(output.lines.count) lines, the last:\n  \(lines)\nstandard error:\n\(errors)"
    }

    // MARK: Input

    /// Writes to the program's standard input. Does nothing when that has been closed or the program is gone.
    ///
    /// - Throws: ``LabError/system(_:code:)`` when the program has not read for so long that no more fits.
    package func write(_ text: String) throws(LabError) {
        let full = input.withLock { descriptor in
            guard descriptor >= 0 else { return false }
            let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
            var bytes = Array(text.utf8)[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes { raw in
                    retrying { send(descriptor, raw.baseAddress, raw.count, flags) }
                }
                guard count > 0 else { return errno == EAGAIN }
                bytes = bytes.dropFirst(count)
            }
            return false
        }
        if full { throw .system("write to \(name)", code: EAGAIN) }
    }

    /// Closes standard input: the program reads the end of the file.
    package func closeInput() {
        input.withLock { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }

    // MARK: The end

    /// How it ended, if it has.
    package var exitStatus: ExitStatus? { output.value.exit }

    package var isRunning: Bool { exitStatus == nil }

    /// Sends a signal; SIGTERM by default. A program that is gone is left in peace.
    package func signal(_ number: Int32 = SIGTERM) {
        // The lock is also taken before the process is reaped, so that its id cannot belong to another by now.
        output.update { output in
            if !output.reaped { _ = Foundation.kill(processID, number) }
        }
    }

    /// Asks it to end (SIGTERM), kills it if it has not within the time, and returns how it ended.
    @discardableResult
    package func terminate(within limit: Duration = .seconds(5)) async -> ExitStatus? {
        signal(SIGTERM)
        if let status = try? await exit(within: limit) { return status }
        return await kill()
    }

    /// Ends it at once (SIGKILL), without a chance to say a word, and waits until it is gone.
    @discardableResult
    package func kill() async -> ExitStatus? {
        signal(SIGKILL)
        return try? await exit(within: .seconds(10))
    }

    /// Waits until it has ended and all it wrote has been read.
    package func exit(within limit: Duration = .seconds(10)) async throws -> ExitStatus {
        try await output.first("end of \(name)", within: limit, describe: LabProcess.transcript) { $0.exit }
    }

    /// Resident memory in bytes, and the processor time used in seconds; nil when it is gone.
    package var usage: (memory: Int, seconds: Double)? {
        guard
            let memory = try? String(contentsOfFile: "/proc/\(processID)/statm", encoding: .utf8),
            let pages = memory.split(separator: " ").dropFirst().first.flatMap({ Int($0) }),
            let status = try? String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8),
            let fields = status.split(separator: ")").last?.split(separator: " "), fields.count > 12,
            let user = Double(fields[11]), let system = Double(fields[12])
        else { return nil }
        return (pages * Int(sysconf(Int32(_SC_PAGESIZE))), (user + system) / Double(sysconf(Int32(_SC_CLK_TCK))))
    }

    // MARK: On the reactor's thread

    /// Reads what is there; false when there is nothing more at the moment.
    @discardableResult
    private func readOutput() -> Bool {
        guard output.value.outputIsOpen else { return false }
        let bytes = readAvailable(outputDescriptor)
        let now = ContinuousClock.now
        let fresh = output.update { output in
            let known = output.lines.count
            output.take(bytes ?? [], at: now)
            output.outputIsOpen = bytes != nil
            return output.lines[known...]
        }
        for line in fresh { observer?(.line(line)) }
        if bytes == nil { Reactor.shared.close(outputDescriptor) }
        return bytes?.isEmpty == false
    }

    @discardableResult
    private func readErrors() -> Bool {
        guard output.value.errorsAreOpen else { return false }
        let bytes = readAvailable(errorDescriptor)
        output.update { output in
            output.errors += bytes ?? []
            output.errorsAreOpen = bytes != nil
        }
        if bytes == nil { Reactor.shared.close(errorDescriptor) }
        return bytes?.isEmpty == false
    }

    private func ended(_ process: Int32) {
        // What it wrote before its end is in the pipes by now; whoever else holds them open is not waited for.
        while readOutput() {}
        while readErrors() {}
        let now = ContinuousClock.now
        let (fresh, exit) = output.update { output in
            var status: Int32 = 0
            output.reaped = retrying { Int(waitpid(processID, &status, 0)) } == Int(processID)
            let known = output.lines.count
            output.endLine(at: now)
            let exit = ExitStatus(waitStatus: status)
            output.exit = exit
            return (output.lines[known...], exit)
        }
        for line in fresh { observer?(.line(line)) }
        observer?(.ended(exit))
        closeInput()
        Reactor.shared.close(process)
    }
}
