#define _GNU_SOURCE
#include "sotto_steer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif
#ifndef SO_RCVBUFFORCE
#define SO_RCVBUFFORCE 33
#endif

// The sockets of a group are numbered in the order in which they joined; an index beyond the last means "by hash", which with one socket
// left is that socket.
#define INDEX_FIRST 0
#define INDEX_SECOND 1

// STUN (RFC 7983 §7) and whatever else is not of a session begins below. TURN ChannelData does not, but never comes from a peer.
#define FIRST_SESSION_BYTE 0x40

#define RECEIVE_BUFFER (8 << 20)

// The longest program: payload, header, four words of address, port, two ends.
#define MAX_PROGRAM 24

struct program {
    struct sock_filter code[MAX_PROGRAM];
    unsigned short length;
};

static void put(struct program *program, unsigned short code, unsigned int k) {
    program->code[program->length++] = (struct sock_filter){.code = code, .k = k};
}

// Loads from the packet and goes to the end of the program, "no", unless the value is the wanted one. The jump is filled in by finish().
static void require(struct program *program, unsigned short size, int offset, unsigned int wanted) {
    put(program, BPF_LD | BPF_ABS | size, (unsigned int)offset);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, wanted);
}

// Ends with "yes" and "no"; every jump that is not taken leads to "no".
static void finish(struct program *program, unsigned int yes, unsigned int no) {
    unsigned short last = (unsigned short)(program->length + 1);
    for (unsigned short i = 0; i < program->length; i++)
        if (BPF_CLASS(program->code[i].code) == BPF_JMP)
            program->code[i].jf = (unsigned char)(last - i - 1);
    put(program, BPF_RET | BPF_K, yes);
    put(program, BPF_RET | BPF_K, no);
}

// A program that tells the session's datagrams from all others. `payload` is where it finds the payload: the choice of a socket is made with
// the data at the payload, a filter of a socket sees the UDP header first. Addresses are found by SKF_NET_OFF.
static struct program make_program(const struct sockaddr *remote, int payload, unsigned int yes, unsigned int no) {
    struct program program = {.length = 0};
    if (remote == NULL) {
        put(&program, BPF_RET | BPF_K, no);
        return program;
    }
    put(&program, BPF_LD | BPF_ABS | BPF_B, (unsigned int)payload);
    put(&program, BPF_JMP | BPF_JGE | BPF_K, FIRST_SESSION_BYTE);
    if (remote->sa_family == AF_INET) {
        const struct sockaddr_in *address = (const void *)remote;
        // No options: the UDP header follows after 20 bytes. With options it is libnice's.
        require(&program, BPF_B, SKF_NET_OFF, 0x45);
        require(&program, BPF_W, SKF_NET_OFF + 12, ntohl(address->sin_addr.s_addr));
        require(&program, BPF_H, SKF_NET_OFF + 20, ntohs(address->sin_port));
    } else {
        const struct sockaddr_in6 *address = (const void *)remote;
        // No extension headers, likewise.
        require(&program, BPF_B, SKF_NET_OFF + 6, IPPROTO_UDP);
        for (int word = 0; word < 4; word++) {
            unsigned int value;
            memcpy(&value, &address->sin6_addr.s6_addr[4 * word], 4);
            require(&program, BPF_W, SKF_NET_OFF + 8 + 4 * word, ntohl(value));
        }
        require(&program, BPF_H, SKF_NET_OFF + 40, ntohs(address->sin6_port));
    }
    finish(&program, yes, no);
    return program;
}

static int attach(int fd, int option, struct program program) {
    struct sock_fprog loaded = {.len = program.length, .filter = program.code};
    return setsockopt(fd, SOL_SOCKET, option, &loaded, sizeof loaded) < 0 ? errno : 0;
}

// Which socket of the group gets a datagram.
static int attach_choice(int fd, const struct sockaddr *remote) {
    return attach(fd, SO_ATTACH_REUSEPORT_CBPF, make_program(remote, 0, INDEX_SECOND, INDEX_FIRST));
}

// What the second socket takes, whatever the group does: before the choice is attached, and after the first socket is gone, the kernel
// would give it anything.
static int attach_filter(int fd, const struct sockaddr *remote) {
    return attach(fd, SO_ATTACH_FILTER, make_program(remote, sizeof(struct udphdr), 0xFFFFFFFF, 0));
}

static bool is_mapped(const struct sockaddr *address) {
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static bool can_steer(const struct sockaddr *local, const struct sockaddr *remote) {
    if (local->sa_family != AF_INET && local->sa_family != AF_INET6)
        return false;
    return local->sa_family == remote->sa_family && !is_mapped(local) && !is_mapped(remote);
}

int sotto_steer_set_gro(int fd, bool on) {
    int value = on;
    return setsockopt(fd, IPPROTO_UDP, UDP_GRO, &value, sizeof value) < 0 ? errno : 0;
}

// A receiving buffer for bursts, and many datagrams in one read, as far as the kernel lets us.
static void receive_much(int fd) {
    // Better larger than the system allows to everybody, but it need not be.
    int size = RECEIVE_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    (void)sotto_steer_set_gro(fd, true);
}

int sotto_steer_dedicate(int fd, const struct sockaddr *remote, socklen_t remote_length) {
    (void)remote_length;
    receive_much(fd);
    return attach_filter(fd, remote);
}

// The second socket, bound and filtered, but with no choice attached yet.
static int join(int fd, const struct sockaddr *local, socklen_t length, const struct sockaddr *remote) {
    int one = 1;
    int second = socket(local->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
    if (second < 0)
        return -errno;
    int error = attach_filter(second, remote);
    if (error == 0 && setsockopt(second, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0)
        error = errno;
    if (error == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0)
        error = errno;
    receive_much(second);
    if (error == 0 && bind(second, local, length) < 0)
        error = errno;
    if (error != 0)
        close(second);
    return error != 0 ? -error : second;
}

int sotto_steer_open(int fd, const struct sockaddr *remote, socklen_t remote_length) {
    struct sockaddr_storage storage;
    struct sockaddr *local = (struct sockaddr *)&storage;
    socklen_t length = sizeof storage;
    (void)remote_length;
    if (getsockname(fd, local, &length) < 0)
        return -errno;
    if (!can_steer(local, remote))
        return -EAFNOSUPPORT;
    int second = join(fd, local, length, remote);
    // Between joining and this the kernel chooses by hash: what it gives to the second socket and is not the session's falls to its
    // filter, as a packet lost on the way. The kernel has no group to attach the choice to before.
    int error = second < 0 ? -second : attach_choice(second, remote);
    if (error == 0)
        return second;
    if (second >= 0)
        close(second);
    int zero = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &zero, sizeof zero);
    return -error;
}

int sotto_steer_follow(int fd, const struct sockaddr *remote, socklen_t remote_length) {
    (void)remote_length;
    if (remote == NULL)
        return attach_choice(fd, NULL);
    // Without a filter for a moment, so that neither the old remote's datagrams nor the new one's fall to it; the choice is exact alone.
    int none = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
    int error = attach_choice(fd, remote);
    if (error == 0)
        error = attach_filter(fd, remote);
    if (error != 0)
        (void)attach_choice(fd, NULL);
    return error;
}

ssize_t sotto_steer_read(int fd, void *bytes, size_t length, int *segment_size) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec vector = {bytes, length};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    *segment_size = 0;
    ssize_t result;
    do
        result = recvmsg(fd, &message, MSG_DONTWAIT);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO)
            memcpy(segment_size, CMSG_DATA(header), sizeof(int));
    return result;
}
