import Dispatch
import Identity
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import SignalingClient
import TestTools
import Testing
import Wire

/// Who sends is in the middle of something, and is told nothing meanwhile.
@Suite struct ReentryTests {
    private struct Notes {
        var isSending = false
        var isConnected = false
        var isDisconnected = false
        var came: [String] = []
    }

    /// The connection has gone without the client's knowing, and it is sending that finds out.
    @Test(arguments: ["mail", "signal"])
    func nothingHappensToItsOwnerDuringSending(what: String) async throws {
        try await withServer { server in
            let interloper = try await Interloper(before: server)
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            let loop = group.next()
            let notes = NIOLockedValueBox(Notes())
            let client = SignalingClient(
                url: try interloper.url(), identity: try Identity.generate(), eventLoop: loop, trust: .system,
                timing: impatient, logger: quiet,
                events: { event in
                    notes.withLockedValue { notes in
                        if notes.isSending { notes.came.append("\(event)") }
                        if case .connected = event { notes.isConnected = true }
                        if case .disconnected = event { notes.isDisconnected = true }
                    }
                })
            client.start()
            try await eventually("a login") { notes.withLockedValue { $0.isConnected } }
            let peer = try Identity.generate().peerID.key
            try await loop.submit {
                // The loop hears of nothing before it sends.
                let gone = DispatchSemaphore(value: 0)
                interloper.reset { gone.signal() }
                gone.wait()
                notes.withLockedValue { $0.isSending = true }
                for _ in 0..<3 {
                    if what == "mail" {
                        _ = client.send(MailFrame.acknowledge(mails: [1]))
                    } else {
                        _ = client.send(SignalingFrame.signal(peer: peer, payload: [1, 2, 3]))
                    }
                }
                notes.withLockedValue { $0.isSending = false }
            }.get()
            try await eventually("the end of the connection") { notes.withLockedValue { $0.isDisconnected } }
            #expect(notes.withLockedValue { $0.came } == [])
            client.stop()
            try await loop.submit {}.get()
            try await group.shutdownGracefully()
        }
    }
}
