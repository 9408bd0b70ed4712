import NIOCore
import PeerLab
import SignalingClient
import TestTools
import Testing
import Wire

@testable import Peering

@Suite struct MailTests {
    @Test func passesOnWhatTheMailboxSays() async throws {
        try await Lab.run { lab in
            let node = try await TestNode.online(lab, policy: .relay)
            let frame = MailFrame.item(mail: 1, storedAt: 2, envelope: [3])
            try await node.perform { $0.handle(.mail(frame)) }
            try await node.perform { $0.handle(.mailWritable) }
            let told = try await node.log.next("mail") { if case .mail(let frame) = $0 { frame } else { nil } }
            #expect(told == frame)
            try await node.log.next("room") { if case .mailWritable = $0 { () } else { nil } }
            try await node.stop()
        }
    }

    @Test func sendsMailWhileLoggedIn() async throws {
        try await Lab.run { lab in
            let node = try await TestNode.online(lab, policy: .relay)
            #expect(try await node.perform { $0.sendMail(.acknowledge(mails: [1])) })
            #expect(try await node.perform { !$0.sendMail(.done(request: 1)) })
            await lab.stopServer()
            try await node.log.next("gone") { if case .disconnected = $0 { () } else { nil } }
            #expect(try await node.perform { !$0.sendMail(.acknowledge(mails: [1])) })
            try await node.stop()
        }
    }
}
