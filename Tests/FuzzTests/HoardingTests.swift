import Testing

@testable import SecureTransport

/// A contact that wants the other end to keep memory for it: bytes out of order, here and there, on as many streams as it may open. ngtcp2 keeps each in a block
/// of 8 KiB, also on streams that it was asked to stop.
@Suite struct HoardingTests {
    /// RFC 9000 §20.1.
    private static let streamLimitError: UInt64 = 4

    /// A session that such a contact has called.
    private func attacked() throws -> (SecureSession, RawPeer) {
        let peer = try RawPeer.caller(of: RawPeer.responderKey.get())
        let first = try peer.firstPacket(parameters: peer.transportParameters([]))
        let session = try #require(SessionEnds.accept([first]))
        let answer = SessionEnds.packets(of: session, now: SessionEnds.time(0)).first ?? []
        for packet in try peer.finish(answer: answer) {
            SessionEnds.receive(packet, session, now: SessionEnds.time(1))
        }
        try #require(session.isEstablished)
        return (session, peer)
    }

    /// A STREAM frame with one byte (RFC 9000 §19.8).
    private func byte(_ offset: UInt64, of stream: UInt64) -> [UInt8] {
        [0x0E] + RawFrames.variableInteger(stream) + RawFrames.variableInteger(offset) + [1, 0x78]
    }

    /// Refuses the streams that were opened, as `PeerSession` does. Returns how many, and how the session ended.
    private func refuseStreams(_ session: SecureSession) throws -> (count: Int, end: CloseReason?) {
        var (count, end): (Int, CloseReason?) = (0, nil)
        while let event = session.pollEvent() {
            if case .closed(let reason) = event { end = reason }
            guard case .streamOpened(let stream) = event else { continue }
            count += 1
            guard session.isEstablished else { continue }
            try session.stopSending(stream, code: 3)
            try session.reset(stream, code: 3)
        }
        _ = SessionEnds.packets(of: session, now: SessionEnds.time(2))
        return (count, end)
    }

    @Test(
        arguments: [
            [0x0E, 2, 1, 1, 0x78], [0x08, 2], [0x0A, 2, 1, 0x78], [0x04, 2, 7, 0],
            // Not the first one, as if the others had been lost.
            [0x0E, 0x41, 0xFE, 1, 1, 0x78],
        ] as [[UInt8]])
    func thereAreNoUnidirectionalStreams(frame: [UInt8]) throws {
        let (session, peer) = try attacked()
        SessionEnds.receive(peer.packet(.application, frame), session, now: SessionEnds.time(2))
        let (count, end) = try refuseStreams(session)
        #expect(count == 0)
        #expect(session.statistics.openStreams == 0)
        #expect(end == .transport(code: Self.streamLimitError))
    }

    @Test func streamsAreFewAlsoWhenEachIsRefusedAtOnce() throws {
        let (session, peer) = try attacked()
        var (opened, end): (Int, CloseReason?) = (0, nil)
        for stream in stride(from: UInt64(0), to: 4 * 1000, by: 4) where end == nil {
            // The beginning never comes, so that nothing of it can be let go.
            var frames: [[UInt8]] = [[]]
            for offset in stride(from: UInt64(1), to: 512 << 10, by: 8 << 10) {
                if frames[frames.count - 1].count > 1000 { frames.append([]) }
                frames[frames.count - 1] += byte(offset, of: stream)
            }
            for frames in frames where end == nil {
                SessionEnds.receive(peer.packet(.application, frames), session, now: SessionEnds.time(2))
                let (count, reason) = try refuseStreams(session)
                opened += count
                end = reason
            }
        }
        #expect(opened == 8)
        #expect(end == .transport(code: Self.streamLimitError))
    }

    @Test func whatBreaksTheWindowOfARefusedStreamEndsTheSession() throws {
        let (session, peer) = try attacked()
        SessionEnds.receive(peer.packet(.application, byte(1, of: 0)), session, now: SessionEnds.time(2))
        #expect(try refuseStreams(session).count == 1)
        SessionEnds.receive(peer.packet(.application, byte(512 << 10, of: 0)), session, now: SessionEnds.time(2))
        // FLOW_CONTROL_ERROR
        #expect(try refuseStreams(session).end == .transport(code: 3))
    }
}
