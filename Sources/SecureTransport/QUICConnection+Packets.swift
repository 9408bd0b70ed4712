import CNGTCP2
import Noise

// Packets in and out, and time.

/// What one packet was, for the path that it came on.
struct ReceivedPacket {
    /// Something in it opened under keys that only the peer has (not Initial keys).
    var isAuthentic = false
    /// The highest 1-RTT packet number in it, if there was any.
    var number: UInt64?
}

/// How the bytes of a packet are used up.
enum PacketBudget {
    /// Largest datagram that fits the smallest packet (1200 bytes): less 1 + 16 + 4 of header, 16 of tag, 3 of frame.
    static let maximumDatagram = 1160
    /// Longest close reason in bytes.
    static let maximumReason = 256
}

extension QUICConnection {
    /// Takes in one datagram. Nothing that a stranger sends changes anything, whatever it is.
    func receive(_ packet: UnsafeRawBufferPointer, now: UInt64) -> ReceivedPacket {
        advanceClock(now)
        guard phase != .closed, let ngtcp2 else { return ReceivedPacket() }
        guard phase != .closing else {
            closing.heardPacket()
            return ReceivedPacket()
        }
        let length = PacketHeader.acceptablePrefix(packet, takingShort: role == .responder || hasSentConfirmation)
        guard length > 0, let start = packet.baseAddress else { return ReceivedPacket() }
        let openedBefore = counters.pointee.opened
        counters.pointee.highestOpened = nil
        let status = sotto_ngtcp2_conn_read_pkt(
            ngtcp2, &path.pointee.path, start.assumingMemoryBound(to: UInt8.self), length, clock)
        let isAuthentic = counters.pointee.opened != openedBefore
        if isAuthentic { retriesBlocked = !blockedStreams.isEmpty }
        handle(status)
        tuneCongestionControl()
        return ReceivedPacket(isAuthentic: isAuthentic, number: counters.pointee.highestOpened)
    }

    /// Writes the next packet and returns its length; 0 when there is nothing to send (now). `buffer` bounds its size
    /// and must have 1200 bytes at least.
    func writePacket(into buffer: UnsafeMutableRawBufferPointer, now: UInt64) -> Int {
        advanceClock(now)
        guard let start = buffer.baseAddress, buffer.count >= PacketHeader.minimumInitialDatagram else { return 0 }
        switch phase {
        case .closed: return 0
        case .closing: return writeClosePacket(into: buffer)
        case .handshaking, .established: break
        }
        updateKeysIfDue()
        let output = UnsafeMutableBufferPointer(
            start: start.assumingMemoryBound(to: UInt8.self), count: buffer.count)
        if phase == .established {
            if role == .initiator, !hasSentConfirmation {
                // ngtcp2 ends its handshake in this call and in no other, whatever it sends.
                hasSentConfirmation = true
                let length = finishPacket(output)
                if length > 0 || phase != .established { return length }
            }
            if retriesBlocked { retryBlocked() }
            switch writeDatagrams(into: output) {
            case .finished(let length): return length
            case .open: break
            }
            return writeStreams(into: output)
        }
        return writeHandshakePacket(output)
    }

    private func writeHandshakePacket(_ output: UnsafeMutableBufferPointer<UInt8>) -> Int {
        guard role == .initiator else { return finishPacket(output) }
        let repeated = firstFlight.next(into: UnsafeMutableRawBufferPointer(output))
        if repeated > 0 { return repeated }
        let length = finishPacket(output)
        firstFlight.record(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(output)[..<length]))
        return length
    }

    // MARK: Writing

    private enum Written {
        /// The packet is complete (or nothing can be sent: 0).
        case finished(Int)
        /// There is room for more in it, or it is not begun.
        case open
    }

    private func writeDatagrams(into output: UnsafeMutableBufferPointer<UInt8>) -> Written {
        while let datagram = outgoingDatagrams.first, let ngtcp2 {
            var accepted: CInt = 0
            let length = datagram.withUnsafeBufferPointer { bytes in
                vectors[0] = ngtcp2_vec(base: UnsafeMutablePointer(mutating: bytes.baseAddress), len: bytes.count)
                return sotto_ngtcp2_conn_writev_datagram(
                    ngtcp2, output.baseAddress, output.count, &accepted, UInt32(NGTCP2_WRITE_DATAGRAM_FLAG_MORE),
                    vectors.baseAddress, bytes.isEmpty ? 0 : 1, clock)
            }
            if accepted != 0 { outgoingDatagrams.removeFirst() }
            switch CInt(truncatingIfNeeded: length) {
            case NGTCP2_ERR_WRITE_MORE: continue
            case NGTCP2_ERR_INVALID_STATE, NGTCP2_ERR_INVALID_ARGUMENT: outgoingDatagrams.removeFirst()
            case let status where status < 0:
                handle(status)
                return .finished(0)
            default: return .finished(length)
            }
        }
        return .open
    }

    private func writeStreams(into output: UnsafeMutableBufferPointer<UInt8>) -> Int {
        while let ngtcp2, let id = sendQueue.first {
            guard let stream = self.stream(id), stream.hasUnsent else {
                dequeue(id)
                continue
            }
            let pieces = stream.nextPieces(vectors, room: output.count)
            let isLast = stream.isFinishing && pieces.reachesEnd
            let flags = NGTCP2_WRITE_STREAM_FLAG_MORE | (isLast ? NGTCP2_WRITE_STREAM_FLAG_FIN : 0)
            var accepted: ngtcp2_ssize = -1
            let length = sotto_ngtcp2_conn_writev_stream(
                ngtcp2, output.baseAddress, output.count, &accepted, UInt32(flags), id.rawValue,
                vectors.baseAddress, pieces.count, clock)
            if accepted >= 0 { advance(stream, by: UInt64(accepted), isLast: isLast) }
            switch CInt(truncatingIfNeeded: length) {
            case NGTCP2_ERR_WRITE_MORE:
                continue
            case NGTCP2_ERR_STREAM_DATA_BLOCKED:
                dequeue(id)
                blockedStreams.insert(id)
            case NGTCP2_ERR_STREAM_SHUT_WR, NGTCP2_ERR_STREAM_NOT_FOUND:
                stopSending(stream)
                dequeue(id)
                events.append(.streamStopped(id, code: nil))
            case let status where status < 0:
                handle(status)
                return 0
            default:
                rotate(id)
                return length
            }
        }
        return finishPacket(output)
    }

    /// Completes a packet begun with the MORE flag, or writes one of whatever ngtcp2 has to say on its own.
    private func finishPacket(_ output: UnsafeMutableBufferPointer<UInt8>) -> Int {
        guard let ngtcp2 else { return 0 }
        let length = sotto_ngtcp2_conn_writev_stream(
            ngtcp2, output.baseAddress, output.count, nil, UInt32(NGTCP2_WRITE_STREAM_FLAG_NONE), -1, nil, 0, clock)
        guard length >= 0 else {
            handle(CInt(truncatingIfNeeded: length))
            return 0
        }
        return length
    }

    private func advance(_ stream: QUICStream, by count: UInt64, isLast: Bool) {
        stream.sentOffset += count
        if isLast, stream.sentOffset == stream.outgoing.end { stream.isFinishSent = true }
        if !stream.hasUnsent { dequeue(stream.id) }
    }

    private func dequeue(_ id: StreamID) {
        guard let index = sendQueue.firstIndex(of: id) else { return }
        sendQueue.remove(at: index)
        stream(id)?.isQueued = false
    }

    /// The next packet begins with another stream: all get their turn.
    private func rotate(_ id: StreamID) {
        guard sendQueue.count > 1, sendQueue.first == id else { return }
        sendQueue.append(sendQueue.removeFirst())
    }

    private func retryBlocked() {
        retriesBlocked = false
        let blocked = blockedStreams
        blockedStreams = []
        for id in blocked {
            if let stream = self.stream(id) { queue(stream) }
        }
    }

    // MARK: Keys

    private func updateKeysIfDue() {
        let busier = max(counters.pointee.sealedWithCurrentKey, counters.pointee.openedWithCurrentKey)
        guard role == .initiator, busier >= configuration.keyUpdateInterval else { return }
        updateKeys(now: clock)
    }

    /// Starts a key update (RFC 9001 §6). Returns false, and changes nothing, while the handshake is unconfirmed or an
    /// earlier update not acknowledged for three probe timeouts, and always on the server: when both ends start one at
    /// the same time and one of them has nothing to send, ngtcp2 0.12.1 never gets ready for the next, and then nothing
    /// of the other end's opens any more.
    @discardableResult
    func updateKeys(now: UInt64) -> Bool {
        advanceClock(now)
        guard role == .initiator, phase == .established, isConfirmed, let ngtcp2,
            ngtcp2_conn_is_in_draining_period(ngtcp2) == 0,
            ngtcp2_conn_is_in_closing_period(ngtcp2) == 0,
            ngtcp2_conn_initiate_key_update(ngtcp2, clock) == 0
        else { return false }
        counters.pointee.sealedWithCurrentKey = 0
        counters.pointee.openedWithCurrentKey = 0
        keyUpdates += 1
        return true
    }

    // MARK: Time

    /// When `handleTimeout` is due, in nanoseconds; nil for never.
    var nextTimeout: UInt64? {
        switch phase {
        case .closed: return nil
        case .closing: return closing.nextTimeout ?? clock
        case .handshaking, .established:
            guard let ngtcp2 else { return nil }
            // One nanosecond past the expiry: at exactly that instant ngtcp2 may find nothing to do, for ever.
            let expiry = ngtcp2_conn_get_expiry(ngtcp2)
            return expiry == .max ? nil : expiry + 1
        }
    }

    /// Does what is due. Returns whether QUIC's probe timeout fired: something does not arrive.
    func handleTimeout(now: UInt64) -> Bool {
        advanceClock(now)
        switch phase {
        case .closed: return false
        case .closing:
            if closing.advance(now: clock) { phase = .closed }
            return false
        case .handshaking, .established:
            guard let ngtcp2, ngtcp2_conn_get_expiry(ngtcp2) <= clock else { return false }
            let before = probeTimeouts
            handle(ngtcp2_conn_handle_expiry(ngtcp2, clock))
            let fired = probeTimeouts > before
            // A server that was heard has all of message 1.
            if fired, role == .initiator, phase == .handshaking, counters.pointee.openedInitial == 0 {
                firstFlight.repeatAll()
            }
            return fired
        }
    }

    /// Sends the next probe timeout's packets with the next write, instead of waiting for it: something carries packets again, and the
    /// timeout has doubled with each packet that was lost meanwhile (RFC 9002 §6.2.1).
    ///
    /// ngtcp2 has no call for that, but takes a time that lies ahead. Where its idle timeout lies before the probe timeout it refuses without
    /// changing anything.
    func probeNow(now: UInt64) {
        advanceClock(now)
        guard phase == .established, let ngtcp2 else { return }
        let statistics = connectionStatistics
        guard statistics.pto_count > 0, statistics.loss_detection_timer != .max,
            statistics.loss_detection_timer > clock
        else { return }
        let result = ngtcp2_conn_handle_expiry(ngtcp2, statistics.loss_detection_timer)
        if result != NGTCP2_ERR_IDLE_CLOSE { handle(result) }
    }

    private var probeTimeouts: Int {
        connectionStatistics.pto_count
    }
}
