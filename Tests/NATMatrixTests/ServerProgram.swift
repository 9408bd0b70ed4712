import Foundation
import NATLab

/// `sotto-signal` on a host of the laboratory.
final class ServerProgram: Sendable {
    static let port: UInt16 = 8080
    /// The name that every host's hosts file has for the server.
    static let hostName = "server.lab"

    let host: LabHost
    private let data: String
    private let process = Watched<LabProcess?>(nil)

    init(on host: LabHost, folder: String) {
        self.host = host
        data = "\(folder)/server"
    }

    /// Starts it and waits until it accepts connections.
    func start() async throws {
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        let started = try host.spawn(
            Programs.server,
            [
                "--listen", "[::]:\(Self.port)", "--stun", "[::]:3478", "--data", data, "--host", Self.hostName,
            ], environment: ["HOME": data])
        process.update { $0 = started }
        do {
            try await host.waitForTCP(at: LabEndpoint(host.address, Self.port))
        } catch {
            throw LabError.timedOut(
                waitingFor: "sotto-signal to listen", .seconds(10),
                sofar: started.lines.map(\.text).joined(separator: "\n") + started.errorText)
        }
    }

    /// Kills it at once; its connections are reset or silent.
    func kill() async {
        await process.value?.kill()
    }

    /// Asks it to end, as a system does when it restarts a service.
    func terminate() async {
        await process.value?.terminate()
    }

    /// What it has written to standard error.
    var log: String { process.value?.errorText ?? "" }
}
