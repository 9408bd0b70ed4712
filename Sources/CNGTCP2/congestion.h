#pragma once

// What ngtcp2 0.12.1 has no call for: to begin anew with congestion control, when a connection's packets take another path from now on (RFC 9002 §9.4), and
// windows that suit a local network.
//
// It does begin anew by itself when a connection migrates; a migration we cannot use (docs/decisions/002, 010). So its state is reached for, in exactly this
// version and only if everything is found where it has to be; otherwise nothing is touched. What is looked for:
//
// - `conn->cstat`: bytes equal to what ngtcp2_conn_get_conn_stat copies from there, at one place only. Its type is public.
// - `conn->cc`: a pointer to the algorithm's state and ten functions, the ninth of which is `reset`; just before them the algorithm's
//   number, just after them the pointer to the allocator, idle_ts and user_data, the values of which we know, at one place only.

#include <malloc.h>
#include <ngtcp2/ngtcp2.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// A connection's congestion control; both are null where it was not found.
typedef struct {
    ngtcp2_conn_stat *stat;
    void **cc;
} sotto_ngtcp2_congestion;

typedef void (*sotto_ngtcp2_cc_reset)(void *cc, ngtcp2_conn_stat *statistics, ngtcp2_tstamp now);

static inline ngtcp2_conn_stat *sotto_ngtcp2_find_stat(ngtcp2_conn *conn, size_t size) {
    ngtcp2_conn_stat copy;
    ngtcp2_conn_stat *found = NULL;
    ngtcp2_conn_get_conn_stat(conn, &copy);
    for (size_t at = 0; at + sizeof copy <= size; at += sizeof(uint64_t)) {
        if (memcmp((char *)conn + at, &copy, sizeof copy) != 0) continue;
        if (found != NULL) return NULL;
        found = (ngtcp2_conn_stat *)((char *)conn + at);
    }
    return found;
}

static inline void **sotto_ngtcp2_find_cc(ngtcp2_conn *conn, size_t size, const void *memory, const void *user_data,
                                          ngtcp2_cc_algo algorithm) {
    enum { length = 11 };
    void **words = (void **)conn;
    void **found = NULL;
    for (size_t at = length + 1; (at + 3) * sizeof *words <= size; at++) {
        if (words[at] != memory || words[at + 2] != user_data) continue;
        if (found != NULL) return NULL;
        found = words + at - length;
    }
    if (found == NULL || found[0] == NULL || found[9] == NULL) return NULL;
    uint32_t number;
    memcpy(&number, found - 1, sizeof number);
    return number == (uint32_t)algorithm ? found : NULL;
}

// `conn` was made with this allocator, user data and algorithm. What is found is valid as long as `conn`.
static inline sotto_ngtcp2_congestion sotto_ngtcp2_conn_find_congestion(ngtcp2_conn *conn, const void *memory,
                                                                        const void *user_data, ngtcp2_cc_algo algorithm) {
    sotto_ngtcp2_congestion none = {NULL, NULL};
    if (sizeof(void *) != 8 || ngtcp2_version(0)->version_num != 0x000c01) return none;
    size_t size = malloc_usable_size(conn);
    sotto_ngtcp2_congestion found = {sotto_ngtcp2_find_stat(conn, size),
                                     sotto_ngtcp2_find_cc(conn, size, memory, user_data, algorithm)};
    if (found.stat == NULL || found.cc == NULL || (void *)(found.stat + 1) > (void *)found.cc) return none;
    return found;
}

// Begins anew. Packets under way stay so, and the initial window's worth may be sent beside them. Timers go by `rtt` (nanoseconds) until there is a sample; 0:
// by what they went by before.
static inline void sotto_ngtcp2_congestion_reset(sotto_ngtcp2_congestion congestion, ngtcp2_duration rtt,
                                                 ngtcp2_tstamp now) {
    ngtcp2_conn_stat *stat = congestion.stat;
    if (stat == NULL) return;
    uint64_t initial = 10 * stat->max_tx_udp_payload_size;
    stat->cwnd = stat->bytes_in_flight + (initial < 14720 ? initial : 14720);
    stat->ssthresh = UINT64_MAX;
    stat->congestion_recovery_start_ts = UINT64_MAX;
    stat->delivery_rate_sec = 0;
    stat->pacing_rate = 0;
    // The next sample begins the estimates anew.
    stat->min_rtt = UINT64_MAX;
    stat->first_rtt_sample_ts = UINT64_MAX;
    if (rtt != 0) {
        stat->smoothed_rtt = rtt;
        stat->rttvar = rtt / 2;
    }
    ((sotto_ngtcp2_cc_reset)congestion.cc[9])(congestion.cc, stat, now);
}

// To be called when acknowledgements were read. BBR's send quantum is what its pacing rate (bytes a nanosecond; 0 for CUBIC) sends in a millisecond, 64 KiB at
// most, and its window is three of them at least (draft-cardwell-iccrg-bbr-congestion-control-02 §4.6.3, §4.6.4.2). ngtcp2 takes the round trip in place of the
// millisecond: on a local network that is a few packets, and each costs its own turn. Where round trips are longer than 1.5 ms, the window is larger anyway.
static inline void sotto_ngtcp2_congestion_widen(sotto_ngtcp2_congestion congestion) {
    ngtcp2_conn_stat *stat = congestion.stat;
    if (stat == NULL || stat->min_rtt > 1500000 || !(stat->pacing_rate > 0)) return;
    double millisecond = stat->pacing_rate * 1e6;
    size_t quantum = millisecond < 65536 ? (size_t)millisecond : 65536;
    if (stat->send_quantum < quantum) stat->send_quantum = quantum;
    if (stat->cwnd < 3 * quantum) stat->cwnd = 3 * quantum;
}
