// Sending bursts of datagrams.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// Sends `length` bytes as datagrams of `segment_size` bytes each (the last may be shorter; 0: one datagram), up to 64 to
// the system call (UDP_SEGMENT), and one by one where the kernel or the device refuses that. Never blocks and raises no
// signal. `to` may be NULL for a connected socket.
//
// `segmentation` may be NULL. Else false on entry forbids UDP_SEGMENT, and it is set to false when this socket cannot do
// it at all. `sent` may be NULL; else it receives the number of bytes handed to the kernel.
//
// Returns 0, or the error number that ended the burst: EAGAIN or ENOBUFS when the socket is full (drop the rest or wait),
// EMSGSIZE when a segment is larger than the path allows.
int sotto_udp_send(
    int fd, const struct sockaddr *_Nullable to, socklen_t to_length, const void *_Nonnull bytes, size_t length,
    uint16_t segment_size, bool *_Nullable segmentation, size_t *_Nullable sent);

// Makes the kernel set "don't fragment" on every datagram without holding back those above the path MTU that it believes
// in (IP_PMTUDISC_PROBE), so that probes of Sotto measure the path. Returns 0 or an error number.
int sotto_udp_set_dont_fragment(int fd, int family);
