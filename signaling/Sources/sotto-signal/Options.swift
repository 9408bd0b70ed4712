import ArgumentParser
import Configuration

/// The command line. Nothing has a default here: what is absent comes from the environment, the file, or the code.
struct Options: ParsableArguments {
    @Option(help: "Where HTTP and WebSocket listen, HOST:PORT; port 0 for any. (default: [::]:8080)")
    var listen: String?

    @Option(help: "Where the STUN responder listens, HOST:PORT, or off. (default: [::]:3478)")
    var stun: String?

    @Option(
        help: """
            Where a second STUN responder listens, HOST:PORT, or off: with it clients can tell what kind of NAT they are \
            behind. (default: the port after --stun, if it is free)
            """)
    var stunSecond: String?

    @Option(
        help: """
            Folder for the mailbox, made if it is missing. (default: STATE_DIRECTORY as systemd sets it, else \
            XDG_STATE_HOME/sotto-signal, else ~/.local/state/sotto-signal)
            """)
    var data: String?

    @Flag(help: "Keep no mail for absent peers, and nothing on the disk.")
    var noMailbox = false

    @Option(help: "JSON file with settings.")
    var config: String?

    @Option(help: "Certificate chain, PEM; with --tls-key the server speaks wss. Changes are taken over while it runs.")
    var tlsCert: String?

    @Option(help: "Private key of the certificate, PEM.")
    var tlsKey: String?

    @Option(
        name: .customLong("host"),
        help: "A name under which clients dial this server; repeatable. Its own addresses need not be named.")
    var hosts: [String] = []

    @Option(help: "What the server calls itself to clients, at most 64 characters. (default: sotto-signal)")
    var name: String?

    @OptionGroup(title: "ICE servers for clients") var ice: ICEOptions
    @OptionGroup(title: "Logging") var log: LogOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions
    @OptionGroup(title: "Limits of the mailbox") var mail: MailOptions
}

struct ICEOptions: ParsableArguments {
    @Option(help: "JSON file with STUN and TURN servers, as stun-config/ice-servers.json.")
    var iceServers: String?

    @Option(help: "TURN server, turn:HOST[:PORT][?transport=udp|tcp]; repeatable; needs --turn-secret-file.")
    var turn: [String] = []

    @Option(help: "File with the secret shared with the TURN servers (coturn: static-auth-secret).")
    var turnSecretFile: String?

    @Option(help: "How long a TURN credential holds, in seconds. (default: 43200)")
    var turnLifetime: Int?
}

struct LogOptions: ParsableArguments {
    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: notice)")
    var logLevel: String?

    @Option(help: "logfmt or json. (default: logfmt)")
    var logFormat: String?
}

struct LimitOptions: ParsableArguments {
    @Option(help: "Threads that serve connections. (default: one less than cores)")
    var threads: Int?

    @Option(help: "Connections in all. (default: 20000)")
    var maxConnections: Int?

    @Option(help: "Connections from one IPv4 address or IPv6 /64. (default: 64)")
    var maxConnectionsPerAddress: Int?

    @Option(help: "New connections a second from there; eight times as many at once. (default: 16)")
    var newConnectionsPerSecond: Int?

    @Option(help: "Messages a second of one peer; twice as many at once. (default: 20000)")
    var framesPerSecond: Int?

    @Option(help: "Bytes a second of one peer; a quarter as many at once. (default: 33554432)")
    var bytesPerSecond: Int?

    @Option(help: "SIGNAL frames a second of one peer; four times as many at once. (default: 100)")
    var signalsPerSecond: Int?

    @Option(help: "RELAY bytes that wait for one receiver. (default: 524288)")
    var relayQueueBytes: Int?

    @Option(help: "SIGNAL frames that wait for one receiver. (default: 64)")
    var signalQueueFrames: Int?

    @Option(help: "STUN requests a second of one source address; four times as many at once. (default: 50)")
    var stunPerSecond: Int?

    @Option(help: "Seconds for a login. (default: 5)")
    var loginTimeout: Int?

    @Option(help: "Seconds between pings. (default: 15)")
    var heartbeat: Int?
}

struct MailOptions: ParsableArguments {
    @Option(help: "How long a mail is kept, in seconds. (default: 2592000)")
    var mailTtl: Int?

    @Option(help: "Bytes that may wait for one recipient. (default: 67108864)")
    var mailQuotaBytes: Int?

    @Option(help: "Mails that may wait for one recipient. (default: 10000)")
    var mailQuotaItems: Int?

    @Option(help: "Bytes of one sender that may wait for one recipient. (default: 16777216)")
    var mailSenderBytes: Int?

    @Option(help: "Mails of one sender that may wait for one recipient. (default: 2000)")
    var mailSenderItems: Int?

    @Option(help: "Requests of strangers that may wait for one recipient. (default: 16)")
    var mailRequests: Int?

    @Option(help: "Senders that one peer may take mail from. (default: 8192)")
    var mailCapabilities: Int?

    @Option(help: "Bytes of the whole store. (default: 17179869184)")
    var mailStoreBytes: Int?

    @Option(help: "Bytes of the disk that are left free. (default: 67108864)")
    var mailReserveBytes: Int?

    @Option(help: "Mails a second of one sender; four times as many at once. (default: 500)")
    var mailsPerSecond: Int?
}

extension Options {
    /// What was given, under the keys of the configuration file.
    var given: [AbsoluteConfigKey: ConfigValue] {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        func put(_ key: SettingKey, _ text: String?) {
            if let text { values[AbsoluteConfigKey([key.rawValue])] = ConfigValue(.string(text), isSecret: false) }
        }
        func put(_ key: SettingKey, _ number: Int?) {
            if let number { values[AbsoluteConfigKey([key.rawValue])] = ConfigValue(.int(number), isSecret: false) }
        }
        func put(_ key: SettingKey, _ list: [String]) {
            guard !list.isEmpty else { return }
            values[AbsoluteConfigKey([key.rawValue])] = ConfigValue(.stringArray(list), isSecret: false)
        }
        put(.listen, listen)
        put(.stun, stun)
        put(.stunSecond, stunSecond)
        put(.data, data)
        if noMailbox {
            values[AbsoluteConfigKey([SettingKey.noMailbox.rawValue])] = ConfigValue(.bool(true), isSecret: false)
        }
        put(.tlsCert, tlsCert)
        put(.tlsKey, tlsKey)
        put(.hosts, hosts)
        put(.name, name)
        put(.iceServers, ice.iceServers)
        put(.turn, ice.turn)
        put(.turnSecretFile, ice.turnSecretFile)
        put(.turnLifetime, ice.turnLifetime)
        put(.logLevel, log.logLevel)
        put(.logFormat, log.logFormat)
        put(.threads, limits.threads)
        put(.maxConnections, limits.maxConnections)
        put(.maxConnectionsPerAddress, limits.maxConnectionsPerAddress)
        put(.newConnectionsPerSecond, limits.newConnectionsPerSecond)
        put(.framesPerSecond, limits.framesPerSecond)
        put(.bytesPerSecond, limits.bytesPerSecond)
        put(.signalsPerSecond, limits.signalsPerSecond)
        put(.relayQueueBytes, limits.relayQueueBytes)
        put(.signalQueueFrames, limits.signalQueueFrames)
        put(.stunPerSecond, limits.stunPerSecond)
        put(.loginTimeout, limits.loginTimeout)
        put(.heartbeat, limits.heartbeat)
        put(.mailTtl, mail.mailTtl)
        put(.mailQuotaBytes, mail.mailQuotaBytes)
        put(.mailQuotaItems, mail.mailQuotaItems)
        put(.mailSenderBytes, mail.mailSenderBytes)
        put(.mailSenderItems, mail.mailSenderItems)
        put(.mailRequests, mail.mailRequests)
        put(.mailCapabilities, mail.mailCapabilities)
        put(.mailStoreBytes, mail.mailStoreBytes)
        put(.mailReserveBytes, mail.mailReserveBytes)
        put(.mailsPerSecond, mail.mailsPerSecond)
        return values
    }
}
