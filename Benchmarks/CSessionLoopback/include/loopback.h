// What the benchmark needs of sockets: GRO in, GSO out.
#pragma once

#include <stddef.h>
#include <stdint.h>

// A UDP socket on 127.0.0.1 with UDP_GRO and large buffers: bound to `port`, or connected to it. Negative on failure.
int loopback_open(uint16_t port, int is_server);

// Connects to whoever sent the first packet that waits.
int loopback_connect_to_sender(int fd);

// Receives up to `count` (at most 32) datagrams or GRO bursts without blocking, each into 65,536 bytes of `buffer`. Fills their lengths and segment
// sizes. Returns how many.
int loopback_receive(int fd, uint8_t *_Nonnull buffer, int count, uint32_t *_Nonnull lengths, uint32_t *_Nonnull segments);

// Sends a burst with UDP_SEGMENT.
void loopback_send(int fd, const void *_Nonnull bytes, size_t length, uint16_t segment);

// Waits until something can be read, or so many nanoseconds.
void loopback_wait(int fd, uint64_t nanoseconds);

// Monotonic time in nanoseconds, CPU time of this process in seconds, most memory used in KiB.
uint64_t loopback_now(void);
double loopback_cpu(void);
long loopback_memory(void);
