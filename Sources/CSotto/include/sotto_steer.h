// Steering: the kernel hands some of the datagrams that come to one address to a second socket.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

// Opens a second socket on the address that `fd`, a bound UDP socket, is bound to, and has the kernel hand it the datagrams
// that come from `remote` (address and port) and begin with a byte of 0x40 or more. All others stay with `fd`, and all of them do
// once the second socket is closed. The second socket receives with UDP_GRO where the kernel can; it is non-blocking and close-on-exec.
//
// Returns the descriptor, or the negative number of an error, which leaves `fd` as it was: EAFNOSUPPORT for anything but two
// addresses of IPv4, or two of IPv6 that are not IPv4-mapped.
int sotto_steer_open(int fd, const struct sockaddr *_Nonnull remote, socklen_t remote_length);

// From now on the datagrams that come from `remote` go to the second socket; NULL: none. Nothing is lost by the change. Returns 0, or the
// number of an error; what is handed to the second socket is then unchanged, or nothing.
int sotto_steer_follow(int fd, const struct sockaddr *_Nullable remote, socklen_t remote_length);

// Makes `fd`, a bound UDP socket that nobody else reads, receive as a second socket does: only the datagrams that come from `remote` and
// begin with a byte of 0x40 or more, the others are dropped, with UDP_GRO where the kernel can. Returns 0, or the number of the error for
// which the others are not dropped.
int sotto_steer_dedicate(int fd, const struct sockaddr *_Nonnull remote, socklen_t remote_length);

// Switches UDP_GRO on or off. Returns 0 or the number of an error.
int sotto_steer_set_gro(int fd, bool on);

// Reads one datagram, or with UDP_GRO several of one size, without waiting. Returns its length, or the negative number of an error
// (EAGAIN: there is none). `segment_size` receives the size of each but the last; 0 for a single one.
ssize_t sotto_steer_read(int fd, void *_Nonnull bytes, size_t length, int *_Nonnull segment_size);
