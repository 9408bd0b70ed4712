import Foundation
import Identity
import Messenger
import NIOConcurrencyHelpers
import Vault

/// What the program that is online leaves in the vault for `sotto status`: the connection to the server, and the sessions. Sealed as everything there is.
struct StatusReport: Codable, Equatable, Sendable {
    /// Reserved: belongs to this device, and is never exported.
    private static let setting = ".status"

    var isConnected = false
    /// Why there is no connection.
    var reason: String?
    var hasMailbox = false
    /// What carries the open sessions, by peer id.
    var paths: [String: String] = [:]
    /// How packets of direct paths come in, by peer id. Earlier versions left nothing of it.
    var dataPlanes: [String: String]? = [:]

    init() {}

    /// What was left last; only true while somebody is online.
    init?(reading home: Home) throws {
        guard let bytes = try home.vault.read({ try $0.setting(Self.setting) }),
            let report = try? JSONDecoder().decode(StatusReport.self, from: Data(bytes))
        else { return nil }
        self = report
    }

    mutating func take(_ event: MessengerEvent) {
        switch event {
        case .ready: (isConnected, reason) = (true, nil)
        case .server(.disconnected(let reason, _)): (isConnected, hasMailbox, self.reason) = (false, false, reason)
        case .mailbox(let waiting): hasMailbox = waiting != nil
        case .online(let contact): set("connecting", nil, of: contact)
        case .path(let contact, let path): set(path.kind.rawValue, path.dataPlane?.rawValue, of: contact)
        case .offline(let contact, _): set(nil, nil, of: contact)
        default: break
        }
    }

    private mutating func set(_ path: String?, _ dataPlane: String?, of contact: Contact) {
        paths[contact.peer.description] = path
        dataPlanes?[contact.peer.description] = dataPlane
    }

    /// Leaves it in the vault, without waiting. A report that is lost is not missed.
    func leave(in home: Home) {
        guard let bytes = try? JSONEncoder().encode(self) else { return }
        home.vault.submit {
            try $0.setSetting(Self.setting, Array(bytes))
        } then: { _ in
        }
    }
}

/// Keeps the report in the vault true, a moment behind the events.
final class StatusKeeper: Sendable {
    private static let delay = Duration.milliseconds(200)

    private let home: Home
    private let now: NIOLockedValueBox<StatusReport>

    init(_ home: Home) {
        self.home = home
        now = NIOLockedValueBox(StatusReport())
        // What another program has left is no longer true.
        StatusReport().leave(in: home)
    }

    func take(_ event: MessengerEvent) { now.withLockedValue { $0.take(event) } }

    /// Writes what is new, again and again, until the task is cancelled.
    func keep() async {
        var written = StatusReport()
        while (try? await Task.sleep(for: Self.delay)) != nil {
            let current = now.withLockedValue { $0 }
            if current != written { current.leave(in: home) }
            written = current
        }
    }
}
