import Synchronization

/// Counters of the whole server, in Prometheus' text format 0.0.4.
package final class Metrics: Sendable {
    /// A value that only grows. Who sees it sees what was counted elsewhere before.
    final class Counter: Sendable {
        let name: String
        let help: String
        private let value = Atomic<UInt64>(0)

        init(_ name: String, _ help: String) {
            self.name = name
            self.help = help
        }

        func add(_ count: Int = 1) {
            value.wrappingAdd(UInt64(truncatingIfNeeded: count), ordering: .releasing)
        }

        var current: UInt64 { value.load(ordering: .acquiring) }
    }

    let accepted = Counter("connections_accepted_total", "TCP connections accepted.")
    let refused = Counter("connections_refused_total", "Connections over a limit.")
    let logins = Counter("logins_total", "Logins that held.")
    let loginFailures = Counter("login_failures_total", "Logins that did not hold, for whatever reason.")
    let replacements = Counter("logins_replaced_total", "Connections closed for a newer login of the same peer.")
    let signals = Counter("signal_frames_total", "SIGNAL frames carried.")
    let signalWaits = Counter("signal_waits_total", "SIGNAL frames that waited for a receiver's full queue.")
    let relays = Counter("relay_frames_total", "RELAY frames carried.")
    let relayBytes = Counter("relay_bytes_total", "Bytes of RELAY frames carried.")
    let relayDropped = Counter("relay_dropped_total", "RELAY frames dropped, oldest first, at a receiver's full queue.")
    let ratePauses = Counter("rate_pauses_total", "Times a client was read from more slowly for its rate.")
    let unreachable = Counter("unreachable_total", "UNREACHABLE frames sent.")
    let unknown = Counter("unknown_frames_total", "Frames of unknown type, ignored.")
    let protocolErrors = Counter("protocol_errors_total", "Connections closed for malformed or untimely frames.")
    let heartbeatTimeouts = Counter("heartbeat_timeouts_total", "Connections closed for silence.")
    let mailStored = Counter("mail_stored_total", "Mails stored for their recipients.")
    let mailDelivered = Counter("mail_delivered_total", "Mails deleted because their recipients have them.")
    let mailRefused = Counter("mail_refused_total", "Requests to the mailbox that were refused, for whatever reason.")
    let mailExpired = Counter("mail_expired_total", "Mails deleted because their time was over.")
    let mailPauses = Counter("mail_pauses_total", "Times a client was not read from until it read its answers.")
    let stunRequests = Counter("stun_requests_total", "STUN requests answered.")
    let stunDropped = Counter("stun_dropped_total", "Datagrams on the STUN port not answered.")
    let certificateReloads = Counter("certificate_reloads_total", "Certificates taken over from changed files.")

    private var counters: [Counter] {
        [
            accepted, refused, logins, loginFailures, replacements, signals, signalWaits, relays, relayBytes,
            relayDropped, ratePauses, unreachable, unknown, protocolErrors, heartbeatTimeouts, mailStored,
            mailDelivered, mailRefused, mailExpired, mailPauses, stunRequests, stunDropped, certificateReloads,
        ]
    }

    /// The current value of the counter called `name`, without the prefix `sotto_signal_`; nil when there is none.
    package func value(_ name: String) -> UInt64? {
        counters.first { $0.name == name }?.current
    }

    /// The whole page.
    func text(connections: Int, peers: Int, mailWaiting: Int) -> String {
        var text = ""
        for (name, help, value) in [
            ("connections", "TCP connections open.", connections), ("peers", "Peers logged in.", peers),
            ("mail_waiting", "Mails that wait for their recipients.", mailWaiting),
        ] {
            text +=
                "# HELP sotto_signal_\(name) \(help)\n# TYPE sotto_signal_\(name) gauge\nsotto_signal_\(name) \(value)\n"
        }
        for counter in counters {
            let name = "sotto_signal_\(counter.name)"
            text += "# HELP \(name) \(counter.help)\n# TYPE \(name) counter\n\(name) \(counter.current)\n"
        }
        return text
    }
}
