import Foundation
package import Identity
package import Logging
package import Messenger
import NIOConcurrencyHelpers
package import SignalingServer
import TestTools
package import Wire

/// Says nothing.
package let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A signaling server on the loopback and a directory for homes, both gone after the test, with everybody who was online.
package final class Lab: Sendable {
    private let configuration: ServerConfiguration
    private let running: NIOLockedValueBox<SignalingServer?>
    private let people = NIOLockedValueBox<[Person]>([])
    /// Where clients dial; stays the same when the server is started again.
    package let url: ServerURL
    package var directory: String { folder.path }
    private let folder: TemporaryFolder

    private init(_ server: SignalingServer, _ configuration: ServerConfiguration, _ folder: TemporaryFolder) throws {
        guard let url = server.urls.first else { throw Unmet(description: "the server has no URL") }
        self.url = url
        var configuration = configuration
        configuration.listen = ListenAddress(host: configuration.listen.host, port: server.port)
        self.configuration = configuration
        running = NIOLockedValueBox(server)
        self.folder = folder
    }

    /// Runs a test with a laboratory.
    ///
    /// - Parameter mailbox: the server keeps mail.
    package static func run(
        mailbox: Bool = false, _ change: (inout ServerConfiguration) -> Void = { _ in },
        _ body: (Lab) async throws -> Void
    ) async throws {
        var configuration = ServerConfiguration.loopback()
        let folder = try TemporaryFolder("people")
        if mailbox { configuration.mailbox = MailboxConfiguration(directory: folder.file("mail")) }
        change(&configuration)
        let lab = try Lab(try await SignalingServer.start(configuration, logger: quiet), configuration, folder)
        var failure: (any Error)?
        do { try await body(lab) } catch { failure = error }
        await lab.end()
        if let failure { throw failure }
    }

    private func end() async {
        for person in people.withLockedValue({ $0 }) { await person.stop() }
        await stopServer()
    }

    // MARK: The server

    package var server: SignalingServer? { running.withLockedValue { $0 } }

    /// Says GOAWAY to everybody and is gone.
    package func stopServer() async {
        let server = running.withLockedValue { running in
            defer { running = nil }
            return running
        }
        await server?.shutdown()
    }

    /// Starts the server again, on the same port.
    package func startServer() async throws {
        let server = try await SignalingServer.start(configuration, logger: quiet)
        running.withLockedValue { $0 = server }
    }

    /// Deletes all that the server's mailbox has on its disk; the server is stopped.
    package func loseMail() throws { try FileManager.default.removeItem(atPath: folder.file("mail")) }

    /// A counter of the server that runs now.
    package func counter(_ name: String) -> UInt64 { server?.metrics.value(name) ?? 0 }

    // MARK: People

    /// A new identity in a home of its own.
    package func home(_ name: String) throws -> Home {
        try Home.create(at: "\(directory)/\(name)", name: name, server: url, passphrase: nil)
    }

    /// The messenger of `home`, stopped at the end of the test; not started yet.
    package func person(
        _ home: Home, _ change: (inout MessengerOptions) -> Void = { _ in }, reads: Bool = true
    ) throws -> Person {
        var options = MessengerOptions()
        options.localAddresses = [.v4(127, 0, 0, 1)]
        change(&options)
        let person = try Person(home: home, options: options, reads: reads)
        people.withLockedValue { $0.append(person) }
        return person
    }

    /// Makes each a contact of the other, who has said how mail reaches them.
    package func introduce(_ one: Home, _ other: Home) throws {
        let capabilities = (Capability.generate(), Capability.generate())
        for (home, peer, ours, theirs) in [
            (one, other, capabilities.0, capabilities.1), (other, one, capabilities.1, capabilities.0),
        ] {
            var contact = Contact(peer: peer.identity.peerID, name: try peer.book().ownName)
            contact.ourCapability = ours
            contact.theirCapability = theirs
            try home.update { [contact] book in try book.add(contact) }
        }
    }

    /// Makes somebody a contact.
    ///
    /// - Parameter isIntroduced: they have been told how their mail reaches this home, so that nothing waits for them.
    package static func add(
        _ peer: PeerID, _ name: String, to home: Home, token: [UInt8]? = nil, isIntroduced: Bool = false
    ) throws {
        try home.update { book in
            var contact = Contact(peer: peer, name: name, token: token)
            if isIntroduced { contact.ourCapability = Capability.generate() }
            try book.add(contact)
        }
    }

    /// Two people who know each other, both online, with their contacts for each other.
    package func couple(
        alice changeAlice: (inout MessengerOptions) -> Void = { _ in },
        bob changeBob: (inout MessengerOptions) -> Void = { _ in }
    ) async throws -> (alice: Person, bob: Person) {
        let homes = (try home("alice"), try home("bob"))
        try introduce(homes.0, homes.1)
        let alice = try person(homes.0, changeAlice)
        let bob = try person(homes.1, changeBob)
        try await alice.online()
        try await bob.online()
        return (alice, bob)
    }
}
