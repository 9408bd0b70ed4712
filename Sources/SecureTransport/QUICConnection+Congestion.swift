import CNGTCP2

// Congestion control and pacing are ngtcp2's; here is what the session tells it, and asks it (docs/decisions/010).

extension QUICConnection {
    /// Nanoseconds: shorter round trips are those of local networks.
    static let localRoundTrip: UInt64 = 1_500_000

    var congestionAlgorithm: ngtcp2_cc_algo {
        switch configuration.congestionControl {
        case .cubic: NGTCP2_CC_ALGO_CUBIC
        case .bbr: NGTCP2_CC_ALGO_BBR
        case .bbr2: NGTCP2_CC_ALGO_BBR2
        }
    }

    /// After packets were read.
    func tuneCongestionControl() {
        guard phase == .established, let ngtcp2 else { return }
        if congestion == nil {
            congestion = sotto_ngtcp2_conn_find_congestion(
                ngtcp2, memory, Unmanaged.passUnretained(self).toOpaque(), congestionAlgorithm)
            // Which of the copies was answered cannot be told, and ngtcp2 counts from the first: that round trip may be as long as the call rang.
            if firstFlight.wasRepeated { resetCongestionControl(roundTrip: configuration.initialRTT) }
            firstFlight.forget()
        }
        if let congestion { sotto_ngtcp2_congestion_widen(congestion) }
    }

    /// Packets take another path from now on: what was learned of the old one's rate and round-trip time no longer holds (RFC 9002 §9.4). Returns whether
    /// it was forgotten; with another version of ngtcp2 it is not.
    @discardableResult
    func pathChanged(now: UInt64) -> Bool {
        advanceClock(now)
        return resetCongestionControl()
    }

    /// Timers go by `roundTrip` nanoseconds until there is a sample (0: by what they went by before).
    @discardableResult
    private func resetCongestionControl(roundTrip: UInt64 = 0) -> Bool {
        guard phase == .established, let congestion, congestion.stat != nil else { return false }
        sotto_ngtcp2_congestion_reset(congestion, roundTrip, clock)
        return true
    }

    /// Tells ngtcp2's pacing that a burst of packets is complete. The few packets of the handshake are not paced: the
    /// confirmation must not wait.
    func finishBurst(now: UInt64) {
        advanceClock(now)
        guard let ngtcp2, phase == .established else { return }
        ngtcp2_conn_update_pkt_tx_time(ngtcp2, clock)
    }

    /// Bytes that may be sent in one burst.
    var sendQuantum: Int {
        guard let ngtcp2, phase <= .established else { return 0 }
        return ngtcp2_conn_get_send_quantum(ngtcp2)
    }

    /// Smoothed round-trip time in nanoseconds (nil before the first sample), congestion window and bytes in flight.
    var estimates: (roundTrip: UInt64?, window: Int, inFlight: Int) {
        let statistics = connectionStatistics
        return (
            statistics.min_rtt == .max ? nil : statistics.smoothed_rtt, Int(clamping: statistics.cwnd),
            Int(clamping: statistics.bytes_in_flight)
        )
    }

    var connectionStatistics: ngtcp2_conn_stat {
        var statistics = ngtcp2_conn_stat()
        if let ngtcp2 { sotto_ngtcp2_conn_get_conn_stat(ngtcp2, &statistics) }
        return statistics
    }
}
