import Configuration
import FoundationEssentials
import Logging
import NIOCore
import SignalingServer
import SystemPackage
import Wire

/// What the command line, the environment and the file say together.
struct Settings {
    var server: ServerConfiguration
    var logger: Logger

    /// Joins the three: options go before variables, variables before the file, the file before the defaults.
    ///
    /// - Throws: `SettingsError`.
    static func resolve(
        _ options: Options, environment: [String: String] = ProcessInfo.processInfo.environment
    ) async throws(SettingsError) -> Settings {
        let given = options.given
        let variables = EnvironmentVariablesProvider(environmentVariables: environment)
            .prefixKeys(with: ConfigKey(["sotto", "signal"]))
        var providers: [any ConfigProvider] = [InMemoryProvider(name: "options", values: given), variables]
        if let path = options.config ?? environment["SOTTO_SIGNAL_CONFIG"] {
            providers.append(try await ConfigurationFile.open(path))
        }
        let reader = SettingsReader(
            reader: ConfigReader(providers: providers), given: Set(given.keys.compactMap { $0.components.first }))
        var configuration = ServerConfiguration()
        try await reader.readAddresses(&configuration)
        try await reader.readTLS(&configuration)
        try await reader.readICE(&configuration)
        try await reader.readLimits(&configuration)
        configuration.mailbox = try await reader.mailbox(environment)
        return Settings(server: configuration, logger: try await reader.logger())
    }
}

/// Reads settings and checks them, one by one.
struct SettingsReader {
    let reader: ConfigReader
    /// The keys that the command line gave.
    let given: Set<String>

    func text(_ key: SettingKey) async throws(SettingsError) -> String? {
        do {
            return try await reader.fetchString(forKey: ConfigKey([key.rawValue]))
        } catch {
            throw wrong(key, "it is not a string")
        }
    }

    func list(_ key: SettingKey) async throws(SettingsError) -> [String] {
        do {
            // An empty variable is an empty list, not a list of one empty string.
            return try await (reader.fetchStringArray(forKey: ConfigKey([key.rawValue])) ?? []).filter { !$0.isEmpty }
        } catch {
            throw wrong(key, "it is not a list of strings")
        }
    }

    func number(_ key: SettingKey, in range: ClosedRange<Int>) async throws(SettingsError) -> Int? {
        let number: Int?
        do {
            number = try await reader.fetchInt(forKey: ConfigKey([key.rawValue]))
        } catch {
            throw wrong(key, "it is not a whole number")
        }
        guard let number else { return nil }
        guard range.contains(number) else {
            throw wrong(key, "\(number) is not between \(range.lowerBound) and \(range.upperBound)")
        }
        return number
    }

    /// The complaint about a setting, blaming where it came from.
    func wrong(_ key: SettingKey, _ reason: String) -> SettingsError {
        let isUsage = given.contains(key.rawValue)
        return SettingsError("\(isUsage ? key.option : "setting \(key.rawValue)"): \(reason)", isUsage: isUsage)
    }

    func readAddresses(_ configuration: inout ServerConfiguration) async throws(SettingsError) {
        if let text = try await text(.listen) { configuration.listen = try address(.listen, text) }
        if let text = try await text(.stun) { configuration.stun = text == "off" ? nil : try address(.stun, text) }
        if let text = try await text(.stunSecond) {
            configuration.secondSTUN = text == "off" ? .off : .at(try address(.stunSecond, text))
        }
        if let name = try await text(.name) {
            guard (1...64).contains(name.count),
                !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
            else { throw wrong(.name, "it has 1 to 64 printable characters") }
            configuration.name = name
        }
        for name in try await list(.hosts) {
            guard let host = try? HostName(name) else {
                throw wrong(.hosts, "\(name) is no host name or address (without scheme and port)")
            }
            configuration.hosts.append(host)
        }
        guard configuration.hosts.count <= 16 else { throw wrong(.hosts, "there are more than 16") }
    }

    private func address(_ key: SettingKey, _ text: String) throws(SettingsError) -> ListenAddress {
        do {
            return try ListenAddress(text)
        } catch {
            throw wrong(key, "\(text) is not HOST:PORT (IPv6 addresses in brackets)")
        }
    }

    func readTLS(_ configuration: inout ServerConfiguration) async throws(SettingsError) {
        switch (try await text(.tlsCert), try await text(.tlsKey)) {
        case (nil, nil): break
        case (let certificate?, let key?): configuration.tls = TLSFiles(certificate: certificate, key: key)
        case (_?, nil): throw wrong(.tlsCert, "it needs \(SettingKey.tlsKey.option) too")
        case (nil, _?): throw wrong(.tlsKey, "it needs \(SettingKey.tlsCert.option) too")
        }
    }

    func readICE(_ configuration: inout ServerConfiguration) async throws(SettingsError) {
        var servers: [ICEServer] = []
        if let path = try await text(.iceServers) {
            do {
                servers = try ICEServerList.read(path)
            } catch {
                throw SettingsError("\(error)")
            }
        }
        for uri in try await list(.turn) {
            guard let server = ICEServerList.server(uri: uri), server.kind != .stun else {
                throw wrong(.turn, "\(uri) is not turn:HOST[:PORT][?transport=udp|tcp]")
            }
            servers.append(server)
        }
        let secret = try await turnSecret()
        let needsSecret = servers.filter { $0.kind != .stun && $0.username.isEmpty }
        configuration.iceServers = servers.filter { $0.kind == .stun || !$0.username.isEmpty }
        guard !needsSecret.isEmpty else { return }
        guard let secret else { throw wrong(.turn, "TURN servers need \(SettingKey.turnSecretFile.option)") }
        configuration.turn = TURNConfiguration(servers: needsSecret, secret: secret)
        if let seconds = try await number(.turnLifetime, in: 60...2_592_000) {
            configuration.turn?.lifetime = .seconds(Int64(seconds))
        }
    }

    private func turnSecret() async throws(SettingsError) -> [UInt8]? {
        guard let path = try await text(.turnSecretFile) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingsError("cannot read \(path)")
        }
        let secret = Array(data.prefix { $0 != 0x0A && $0 != 0x0D })
        guard secret.count >= 16 else { throw SettingsError("the secret in \(path) has less than 16 bytes") }
        return secret
    }

    func readLimits(_ configuration: inout ServerConfiguration) async throws(SettingsError) {
        configuration.threads = try await number(.threads, in: 1...256)
        var limits = ServerLimits()
        func rate(_ key: SettingKey, burst: Double) async throws(SettingsError) -> RateLimit? {
            guard let rate = try await number(key, in: 1...1_000_000_000_000) else { return nil }
            return RateLimit(rate: Double(rate), burst: max(1, Double(rate) * burst))
        }
        if let count = try await number(.maxConnections, in: 1...10_000_000) { limits.connections = count }
        if let count = try await number(.maxConnectionsPerAddress, in: 1...10_000_000) {
            limits.connectionsPerAddress = count
        }
        if let rate = try await rate(.newConnectionsPerSecond, burst: 8) { limits.newConnections = rate }
        if let rate = try await rate(.framesPerSecond, burst: 2) { limits.frames = rate }
        if let rate = try await rate(.bytesPerSecond, burst: 0.25) { limits.bytes = rate }
        if let rate = try await rate(.signalsPerSecond, burst: 4) { limits.signals = rate }
        if let rate = try await rate(.stunPerSecond, burst: 4) { limits.stun = rate }
        if let bytes = try await number(.relayQueueBytes, in: 65_536...1_073_741_824) { limits.relayQueueBytes = bytes }
        if let count = try await number(.signalQueueFrames, in: 1...65_536) { limits.signalQueueFrames = count }
        if let seconds = try await number(.loginTimeout, in: 1...3600) {
            limits.authentication = .seconds(Int64(seconds))
        }
        if let seconds = try await number(.heartbeat, in: 1...3600) { limits.heartbeat = .seconds(Int64(seconds)) }
        configuration.limits = limits
    }

    func logger() async throws(SettingsError) -> Logger {
        let level = try await text(.logLevel) ?? "notice"
        guard let level = Logger.Level(rawValue: level) else {
            throw wrong(
                .logLevel, "\(level) is none of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let name = try await text(.logFormat) ?? "logfmt"
        guard let format = LogLines.Format(rawValue: name) else {
            throw wrong(.logFormat, "\(name) is neither logfmt nor json")
        }
        var logger = Logger(label: "sotto-signal") { _ in LogLines(format) }
        logger.logLevel = level
        return logger
    }
}
