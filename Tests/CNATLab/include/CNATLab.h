// What the NAT laboratory needs of Linux and Swift cannot say: entering namespaces between fork and exec, making
// sockets that belong to another network namespace, and a few netlink and packet-socket structures.
#ifndef CNATLAB_H
#define CNATLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Which step failed, for messages that a person can act on. `step` is a string constant.
struct natlab_failure {
    const char *step;
    int code;
};

/// Descriptors of the namespaces to enter; -1 stands for "stay in the present one".
struct natlab_namespaces {
    int user;
    int mount;
    int process;
    int network;
};

/// Starts the process that keeps a laboratory's namespaces alive (user, if asked for; mount, process, network).
///
/// It is the first process of its process namespace and ends when `control` reaches end of file, so when it or its
/// parent dies, everything started in the laboratory is killed by the kernel. A tmpfs lies over /run, so that
/// `ip netns` works without touching the system's own. Returns when all is set up.
/// Returns the process id, or -1 with `failure` filled in.
pid_t natlab_hold(int control, bool with_user_namespace, struct natlab_failure *failure);

/// A program to start inside namespaces. The descriptors become 0, 1 and 2; no other is inherited.
struct natlab_command {
    struct natlab_namespaces namespaces;
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *directory;
    int input;
    int output;
    int error;
};

/// Starts a program as a direct child of this process, inside the given namespaces. Returns its process id as seen
/// from here, or -1 with `failure` filled in.
pid_t natlab_spawn(const struct natlab_command *command, struct natlab_failure *failure);

/// A descriptor that turns readable when the process ends; -1 with errno.
int natlab_process_descriptor(pid_t process);

/// A pipe (reading end, writing end), close-on-exec, whose reading end does not block; -1 with errno.
int natlab_pipe(int ends[2]);

/// Makes a socket (close-on-exec, non-blocking) that belongs to another network namespace; -1 with `failure`.
int natlab_socket(
    const struct natlab_namespaces *namespaces, int domain, int type, int protocol, struct natlab_failure *failure);

/// Removes every connection-tracking entry of the network namespace. Returns 0, or -1 with `failure`.
int natlab_flush_connections(const struct natlab_namespaces *namespaces, struct natlab_failure *failure);

/// A socket that receives a copy of each packet entering or leaving any interface of the namespace.
int natlab_capture_socket(const struct natlab_namespaces *namespaces, struct natlab_failure *failure);

/// One captured packet, without its link-layer header.
struct natlab_packet {
    bool outgoing;
    bool loopback;
    uint16_t ethernet_protocol;
    size_t length;
};

/// Reads one packet into `buffer`. Returns 1, 0 when there is none at the moment, or -1 with errno.
int natlab_capture_read(int capture, uint8_t *buffer, size_t capacity, struct natlab_packet *packet);

/// The number of packets that the kernel could not hand to the capture since the last call; -1 with errno.
long natlab_capture_lost(int capture);

/// Makes a device for IP packets in the network namespace, which is there as long as the descriptor is open: reading takes
/// one packet that the kernel sends there, writing lets one arrive. Close-on-exec, non-blocking; -1 with `failure`.
int natlab_tunnel(const struct natlab_namespaces *namespaces, const char *name, struct natlab_failure *failure);

/// Nanoseconds on a clock that only goes forward.
int64_t natlab_now(void);

/// Lets the calling thread wake when it asked for, instead of up to 50 microseconds later.
void natlab_precise_timers(void);

/// Sleeps until a time of `natlab_now`.
void natlab_sleep_until(int64_t time);

/// Waits until one of up to eight descriptors is readable, or the time has passed; without end if it is negative.
int natlab_wait(const int *descriptors, size_t count, int64_t nanoseconds);

#endif
