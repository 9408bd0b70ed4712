import Identity
import PeerLab
import TestTools
import Testing
import Vault
import Wire

@testable import Messenger

extension Messenger {
    /// The time has come to say again what the server has refused to hear.
    fileprivate func makeAskingAgainDue() { mailDesk.askAgainLater(now: 0) }
}

/// What the server must know for mail to come.
@Suite struct RegistrationTests {
    private let info = MailboxInfo(
        waiting: 0, oneTimeKeysLeft: 0, timeToLive: 86_400, quota: 1 << 20, generation: [UInt8](repeating: 5, count: 16)
    )

    private func known(_ home: Home) throws -> (keys: Bool, capabilities: Bool) {
        let known = try home.vault.read { try $0.mailBookkeeping() }
        return (known.prekeysPublishedAt > 0, !known.capabilitiesDigest.isEmpty)
    }

    /// The test speaks for the server's mailbox: it refuses once, and then does what it is asked.
    @Test func refusedRegistrationIsMadeAgainInTheSameConnection() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            let alice = try lab.person(home)
            try await alice.online()
            let messenger = alice.messenger
            await messenger.take(.mailbox(info))
            // PREKEYS-PUBLISH, and CAPABILITIES twice.
            try await eventually("both are asked for") { await messenger.desk.requests.count == 3 }
            for request in await messenger.desk.requests {
                await messenger.take(.refused(request: request, reason: .tooFast, retryAfter: 1_000))
            }
            let refused = await messenger.desk
            #expect(!refused.isPublicationUnderWay && !refused.areCapabilitiesUnderWay)
            #expect(try known(home) == (false, false))
            await messenger.makeAskingAgainDue()
            try await eventually("both are asked for again") { await messenger.desk.requests.count == 3 }
            for request in await messenger.desk.requests { await messenger.take(.done(request: request)) }
            try await eventually("both are known") { try known(home) == (true, true) }
            let ready = alice.log.all.count { if case .ready = $0 { true } else { false } }
            #expect(ready == 1)
        }
    }
}
