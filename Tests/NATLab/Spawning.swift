import CNATLab
import Foundation

extension LabError {
    init(_ failure: natlab_failure) {
        self = .system(failure.step.map { String(cString: $0) } ?? "start a program", code: failure.code)
    }
}

extension Holder {
    /// Starts a program in the laboratory.
    ///
    /// - Parameter network: the network namespace; nil is the holder's own, which is connected to nothing.
    func spawn(
        _ program: String, _ arguments: [String], network: String?, environment: [String: String],
        directory: String?, observer: LabProcess.Observer? = nil
    ) throws(LabError) -> LabProcess {
        try LabProcess.spawn(
            program, arguments, environment: environment, directory: directory, observer: observer
        ) { launch throws(LabError) in
            try withNamespaces(network: network) { namespaces throws(LabError) in try launch.start(in: namespaces) }
        }
    }

    /// Makes a socket that lives in the given network namespace, close-on-exec and non-blocking.
    func socket(network: String, domain: Int32, type: Int32, protocol number: Int32 = 0) throws(LabError) -> Int32 {
        try withNamespaces(network: network) { namespaces throws(LabError) in
            var namespaces = namespaces
            var failure = natlab_failure()
            let descriptor = natlab_socket(&namespaces, domain, type, number, &failure)
            guard descriptor >= 0 else { throw LabError(failure) }
            return descriptor
        }
    }

    /// Makes a socket that sees every packet of the given network namespace.
    func captureSocket(network: String) throws(LabError) -> Int32 {
        try withNamespaces(network: network) { namespaces throws(LabError) in
            var namespaces = namespaces
            var failure = natlab_failure()
            let descriptor = natlab_capture_socket(&namespaces, &failure)
            guard descriptor >= 0 else { throw LabError(failure) }
            return descriptor
        }
    }

    /// Removes all connection-tracking entries of a network namespace: every NAT mapping in use is gone.
    func flushConnections(network: String) throws(LabError) {
        try withNamespaces(network: network) { namespaces throws(LabError) in
            var namespaces = namespaces
            var failure = natlab_failure()
            guard natlab_flush_connections(&namespaces, &failure) == 0 else { throw LabError(failure) }
        }
    }
}

extension LabProcess {
    /// Starts a program on this machine as it is, in no laboratory: for what shall also run where there are no namespaces.
    ///
    /// - Parameters:
    ///   - program: a path. The program gets this process's environment, without the project's own variables.
    ///   - tool: something it needs, which is let go of no sooner than the process.
    package static func onThisMachine(
        _ program: String, _ arguments: [String], keeping tool: (any Sendable)? = nil
    ) throws(LabError) -> LabProcess {
        let keep: Observer = { _ in withExtendedLifetime(tool) {} }
        let process = try spawn(
            program, arguments, environment: laboratoryEnvironment(adding: [:]), directory: nil, observer: keep
        ) { launch throws(LabError) in
            try launch.start(in: natlab_namespaces(user: -1, mount: -1, process: -1, network: -1))
        }
        Strays.add(process)
        return process
    }

    /// Programs outside of laboratories, which nothing but this would end with the process that started them.
    private enum Strays {
        private static let all: Locked<[LabProcess]> = {
            atexit { Strays.kill() }
            return Locked([])
        }()

        static func add(_ process: LabProcess) {
            all.withLock { all in
                all.removeAll { !$0.isRunning }
                all.append(process)
            }
        }

        private static func kill() {
            for process in all.withLock({ $0 }) { process.signal(SIGKILL) }
        }
    }

    /// Makes the program's input and output, and has `start` start it with them.
    fileprivate static func spawn(
        _ program: String, _ arguments: [String], environment: [String: String], directory: String?,
        observer: Observer?, start: (Launch) throws(LabError) -> pid_t
    ) throws(LabError) -> LabProcess {
        let path = try findProgram(program)
        var ours: [Int32] = []
        var theirs: [Int32] = []
        defer { for descriptor in theirs { Glibc.close(descriptor) } }
        do throws(LabError) {
            let input = try SocketPair()
            (ours, theirs) = ([input.ours], [input.theirs])
            for _ in 0..<2 {
                let pipe = try Pipe()
                ours.append(pipe.reading)
                theirs.append(pipe.writing)
            }
            let process = try start(
                Launch(
                    path: path, arguments: [program] + arguments, environment: environment, directory: directory ?? "/",
                    descriptors: theirs))
            let name = ([program] + arguments).joined(separator: " ")
            return try LabProcess(
                name: name, processID: process, input: ours[0], output: ours[1], error: ours[2], observer: observer)
        } catch {
            for descriptor in ours { Glibc.close(descriptor) }
            throw error
        }
    }
}

/// A program to start, with what becomes its descriptors 0, 1 and 2.
private struct Launch {
    let path: String
    let arguments: [String]
    let environment: [String: String]
    let directory: String
    let descriptors: [Int32]

    /// Starts it inside namespaces and returns its process id.
    func start(in namespaces: natlab_namespaces) throws(LabError) -> pid_t {
        let variables = environment.map { "\($0.key)=\($0.value)" }
        let texts = ([path, directory] + arguments + variables).map { strdup($0) }
        defer { for text in texts { free(text) } }
        var argumentPointers = texts[2..<(2 + arguments.count)] + [nil]
        var variablePointers = texts[(2 + arguments.count)...] + [nil]
        var command = natlab_command()
        command.namespaces = namespaces
        (command.input, command.output, command.error) = (descriptors[0], descriptors[1], descriptors[2])
        var failure = natlab_failure()
        let process = argumentPointers.withUnsafeMutableBufferPointer { arguments in
            variablePointers.withUnsafeMutableBufferPointer { variables in
                command.path = UnsafePointer(texts[0])
                command.directory = UnsafePointer(texts[1])
                command.arguments = UnsafePointer(arguments.baseAddress)
                command.environment = UnsafePointer(variables.baseAddress)
                return natlab_spawn(&command, &failure)
            }
        }
        guard process >= 0 else { throw LabError(failure) }
        return process
    }
}
