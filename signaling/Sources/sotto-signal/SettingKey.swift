/// The keys of the configuration file. The environment has them in capitals with underscores and the prefix
/// `SOTTO_SIGNAL_`, the command line in small letters with hyphens.
enum SettingKey: String, CaseIterable {
    case listen, stun, stunSecond, data, noMailbox, tlsCert, tlsKey, hosts, name
    case iceServers, turn, turnSecretFile, turnLifetime
    case logLevel, logFormat
    case threads, maxConnections, maxConnectionsPerAddress, newConnectionsPerSecond
    case framesPerSecond, bytesPerSecond, signalsPerSecond, relayQueueBytes, signalQueueFrames
    case stunPerSecond, loginTimeout, heartbeat
    case mailTtl, mailQuotaBytes, mailQuotaItems, mailSenderBytes, mailSenderItems
    case mailRequests, mailCapabilities, mailStoreBytes, mailReserveBytes, mailsPerSecond

    /// The option on the command line.
    var option: String {
        let hyphenated = rawValue.flatMap { $0.isUppercase ? "-\($0.lowercased())" : String($0) }
        return self == .hosts ? "--host" : "--" + String(hyphenated)
    }
}
