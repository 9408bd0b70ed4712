package import Identity
package import Logging
package import NIOCore
package import Wire

/// A client's connection to its signaling server: connects, logs in, and connects again when the connection is lost.
///
/// Every event is delivered on the event loop, in order. The methods that send
/// must be called there too; the rest may be called from anywhere, in any state, any
/// number of times.
package final class SignalingClient: Sendable {
    /// The loop that everything runs on.
    package let eventLoop: any EventLoop
    let core: NIOLoopBoundBox<ClientCore>

    /// - Parameters:
    ///   - peer: who logs in.
    ///   - sign: makes the Ed25519 signature of 64 bytes with that peer's secret key; called on the event loop.
    ///   - trust: whose certificates are believed, for `wss`.
    ///   - events: called on the event loop.
    package convenience init(
        url: ServerURL, peer: PeerKey, sign: @escaping @Sendable ([UInt8]) -> [UInt8], eventLoop: any EventLoop,
        trust: TLSTrust = .system, timing: SignalingTiming = SignalingTiming(), logger: Logger,
        events: @escaping @Sendable (SignalingEvent) -> Void
    ) {
        self.init(
            ClientSettings(
                url: url, peer: peer, sign: sign, trust: trust, timing: timing, logger: logger, events: events),
            eventLoop: eventLoop)
    }

    init(_ settings: ClientSettings, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        core = NIOLoopBoundBox.makeBoxSendingValue(ClientCore(settings, eventLoop: eventLoop), eventLoop: eventLoop)
    }

    /// A client that logs in as `identity`.
    package convenience init(
        url: ServerURL, identity: Identity, eventLoop: any EventLoop, trust: TLSTrust = .system,
        timing: SignalingTiming = SignalingTiming(), logger: Logger,
        events: @escaping @Sendable (SignalingEvent) -> Void
    ) {
        self.init(
            url: url, peer: identity.peerID.key, sign: { identity.sign($0) }, eventLoop: eventLoop, trust: trust,
            timing: timing, logger: logger, events: events)
    }

    /// Connects, and keeps connected. Also after a fatal disconnect, and after ``stop()``.
    package func start() {
        onLoop { $0.start() }
    }

    /// Disconnects. No event comes after this has taken effect on the event loop, and nothing is put on the loop from
    /// elsewhere: it may be shut down.
    package func stop() {
        onLoop { $0.stop() }
    }

    /// The network may have changed: an attempt or a wait begins anew at once, and a connection must show that it is alive
    /// or is made anew.
    package func reconnectNow() {
        onLoop { $0.reconnectNow() }
    }

    /// Sends a frame. On the event loop.
    ///
    /// - Returns: false when not logged in, or the frame breaks the limits of its layout: nothing is sent then.
    package func send(_ frame: SignalingFrame) -> Bool {
        core.value.send(frame)
    }

    /// Sends a frame to the server's mailbox, or keeps it until the connection takes it. On the event loop.
    ///
    /// Mail frames are sent in the order of the calls; other frames may overtake them. What is not on its way when the
    /// connection ends is lost with it, as are the requests that were not answered.
    ///
    /// - Returns: false when not logged in; when more than 1 MiB of mail frames would wait, in which case
    ///   ``SignalingEvent/mailWritable`` follows, unless the connection ends before; or when the frame breaks the limits of its
    ///   layout, or is none that a client sends. Nothing is sent then.
    package func send(_ frame: MailFrame) -> Bool {
        core.value.send(frame)
    }

    /// Sends packets to a peer through the server, without another copy than the one into the socket's buffer. On the event
    /// loop.
    ///
    /// - Parameters:
    ///   - segmentSize: the size of every packet but the last, 1…65,535.
    ///   - packets: 1…65,471 bytes.
    /// - Returns: false when not logged in, when so much waits already that the packets are better dropped (more than
    ///   256 KiB), or when the arguments break the limits.
    package func sendRelay(to peer: PeerKey, segmentSize: Int, packets: UnsafeRawBufferPointer) -> Bool {
        core.value.sendRelay(to: peer, segmentSize: segmentSize, packets: packets)
    }

    /// Looks up the names of other hosts as that of the server is looked up. On the event loop.
    ///
    /// - Parameter receive: called there once, with the addresses of each host (none when it has none), unless ``stop()`` or another call
    ///   comes before.
    package func lookUp(_ hosts: [HostName], receive: @escaping ([HostName: [IPAddress]]) -> Void) {
        core.value.lookUp(hosts, receive: receive)
    }

    private func onLoop(_ body: @escaping @Sendable (ClientCore) -> Void) {
        if eventLoop.inEventLoop { body(core.value) } else { eventLoop.execute { body(self.core.value) } }
    }
}

/// What does not change from one connection to the next.
struct ClientSettings: Sendable {
    let url: ServerURL
    let peer: PeerKey
    let sign: @Sendable ([UInt8]) -> [UInt8]
    let trust: TLSTrust
    let timing: SignalingTiming
    let logger: Logger
    let events: @Sendable (SignalingEvent) -> Void
    /// Finds the server's addresses.
    var lookUp = HostAddresses.system
}
