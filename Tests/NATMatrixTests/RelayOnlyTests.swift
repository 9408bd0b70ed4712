import NATLab
import Testing

/// `--path relay`: the contact does not learn an address, because nothing is ever gathered, sent or answered.
@Suite(.enabled(if: Programs.areReady, "\(Programs.obstacle)"))
struct RelayOnlyTests {
    struct Choice: Sendable, CustomTestStringConvertible {
        let alice: String
        let bob: String

        var testDescription: String { "alice \(alice), bob \(bob)" }
    }

    @Test(arguments: [
        Choice(alice: "relay", bob: "relay"), Choice(alice: "relay", bob: "auto"), Choice(alice: "auto", bob: "relay"),
    ])
    func sendsNoUDPPacketAtAll(choice: Choice) async throws {
        try await Meeting.with(alice: .behind(.open), bob: .behind(.open)) { meeting in
            let captures = ["alice": try meeting.alice.host.capture(), "bob": try meeting.bob.host.capture()]
            try await meeting.begin(alice: ["--path", choice.alice], bob: ["--path", choice.bob])
            let began = ContinuousClock.now
            try await meeting.talking {
                for person in [meeting.alice, meeting.bob] {
                    try await person.first("six seconds of messages") { journal in
                        journal.messages.last.flatMap { $0.time - began > .seconds(6) ? () : nil }
                    }
                }
            }
            try await meeting.waitForAll()
            meeting.expectPerfectDelivery()
            for (name, option) in [("alice", choice.alice), ("bob", choice.bob)] {
                guard let capture = captures[name] else { continue }
                let udp = capture.packets.filter { $0.isUDP && $0.isOutgoing }
                // Who lets the program choose may ask the STUN server before it hears that the other does not.
                if option == "relay" { #expect(udp.isEmpty, "\(name) sent \(udp.prefix(3))") }
                #expect(capture.lostPackets == 0)
                #expect(capture.packets.count > 100, "the capture works")
            }
            for person in [meeting.alice, meeting.bob] {
                #expect(person.journal.value.paths.allSatisfy { $0.kind == "relay" })
            }
        }
    }
}
