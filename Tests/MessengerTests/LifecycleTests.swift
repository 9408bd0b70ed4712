import Foundation
import Identity
import Messenger
import PeerLab
import SignalingServer
import TestTools
import Testing
import Wire

@Suite struct LifecycleTests {
    /// What the messenger is in the middle of when it is stopped.
    enum Moment: CaseIterable { case beforeStart, afterStart, connected, dialing, relayed, direct, withoutServer }

    @Test(arguments: Moment.allCases)
    func stopsAtAnyMomentAndTwice(_ moment: Moment) async throws {
        try await Lab.run { lab in
            let homes = (try lab.home("alice"), try lab.home("bob"))
            try lab.introduce(homes.0, homes.1)
            let alice = try lab.person(homes.0)
            let bob = try lab.person(homes.1) { $0.policy = moment == .relayed ? .relay : .auto }
            switch moment {
            case .beforeStart:
                break
            case .afterStart:
                try await alice.messenger.start()
            case .connected:
                try await alice.online()
            case .dialing:
                try await bob.online()
                try await alice.online()
                try await alice.reach("bob")
            case .relayed, .direct:
                try await bob.online()
                try await alice.online()
                try await alice.reach("bob")
                try await alice.when(moment == .direct ? .direct : .relay)
                try await alice.send("and gone", to: "bob")
            case .withoutServer:
                await lab.stopServer()
                try await alice.messenger.start()
                try await alice.log.next("no server") { if case .server(.disconnected) = $0 { () } else { nil } }
            }
            await alice.messenger.stop()
            await alice.messenger.stop()
            await alice.stop()
            await alice.stop()
            // Nothing is started again, and what is asked of it does no harm.
            let thread = EventThread()
            let late = try Messenger(home: homes.0, options: MessengerOptions(), thread: thread, logger: quiet)
            await late.stop()
            try await late.start()
            await late.keepConnected(to: try late.contact(named: "bob"), onScreen: false)
            await late.ping(try late.contact(named: "bob"))
            await late.settled()
            await thread.shutdown()
            // The home is free again.
            _ = try homes.0.goOnline()
        }
    }

    @Test func leavingIsToldToThePeer() async throws {
        try await Lab.run { lab in
            let (alice, bob) = try await lab.couple()
            try await alice.reach("bob")
            try await alice.whenOnline()
            try await bob.whenOnline()
            await alice.stop()
            try await bob.whenOffline(because: "left")
        }
    }

    @Test func stoppedMessengerIsReleased() async throws {
        try await Lab.run { lab in
            let home = try lab.home("alice")
            try Lab.add(try Identity.generate().peerID, "bob", to: home)
            let thread = EventThread()
            var messenger: Messenger? = try Messenger(
                home: home, options: MessengerOptions(), thread: thread, logger: quiet)
            weak let released = messenger
            try await messenger?.start()
            while let event = await messenger?.events.next() { if case .ready = event { break } }
            if let contact = try await messenger?.contact(named: "bob") { try await messenger?.send("hi", to: contact) }
            await messenger?.stop()
            await messenger?.settled()
            messenger = nil
            await thread.shutdown()
            try await eventually("released") { released == nil }
        }
    }

    /// Descriptors and threads of this process; other tests run beside this one, so that only growth by many counts.
    @Test func hundredsOfMessengersLeaveNothingBehind() async throws {
        func manyLogins(_ configuration: inout ServerConfiguration) {
            configuration.limits.newConnections = .init(rate: 1000, burst: 1000)
        }
        try await Lab.run(manyLogins) { lab in
            let home = try lab.home("alice")
            let thread = EventThread()
            for number in 0..<200 {
                let messenger = try Messenger(
                    home: home, options: MessengerOptions(localAddresses: [.v4(127, 0, 0, 1)]), thread: thread,
                    logger: quiet)
                try await messenger.start()
                if number % 4 == 0 {
                    while let event = await messenger.events.next() { if case .ready = event { break } }
                }
                await messenger.stop()
                await messenger.settled()
            }
            await thread.shutdown()
            try await eventually("threads are gone") { try Self.threads(named: "sotto-network") < 100 }
            try await eventually("descriptors are closed") { try Self.count("/proc/self/fd") < 600 }
            try await eventually("the server knows") { lab.server.map { $0.peers == 0 } ?? false }
        }
    }

    private static func count(_ directory: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: directory).count
    }

    private static func threads(named name: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count { task in
            (try? String(contentsOfFile: "/proc/self/task/\(task)/comm", encoding: .utf8)) == name + "\n"
        }
    }
}
