#define _GNU_SOURCE
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct making {
    const struct natlab_namespaces *namespaces;
    struct natlab_failure *failure;
    int domain, type, protocol;
    int made;
};

NATLAB_CHILD static int make(void *argument) {
    struct making *making = argument;
    if (natlab_enter(making->namespaces, making->failure)) {
        making->made = socket(making->domain, making->type | SOCK_CLOEXEC | SOCK_NONBLOCK, making->protocol);
        if (making->made < 0) {
            making->failure->step = "make a socket";
            making->failure->code = errno;
        }
    }
    _exit(0);
}

int natlab_socket(
    const struct natlab_namespaces *namespaces, int domain, int type, int protocol, struct natlab_failure *failure) {
    // A socket belongs to the network namespace it was made in; with CLONE_FILES its descriptor is ours as well.
    const struct natlab_namespaces only = {
        .user = namespaces->user, .mount = -1, .process = -1, .network = namespaces->network};
    struct making making = {
        .namespaces = &only, .failure = failure, .domain = domain, .type = type, .protocol = protocol, .made = -1};
    if (natlab_run_sharing_memory(make, &making, CLONE_FILES) != 0) {
        *failure = (struct natlab_failure){.step = "make a child", .code = errno};
        return -1;
    }
    return making.made;
}

/// Waits up to five seconds for the kernel's answer to a netlink request. Returns 0 or an error number.
static int acknowledgement(int netlink) {
    struct pollfd wait = {.fd = netlink, .events = POLLIN};
    if (poll(&wait, 1, 5000) != 1) {
        return ETIMEDOUT;
    }
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } answer = {0};
    if (recv(netlink, &answer, sizeof answer, 0) < 0) {
        return errno;
    }
    return answer.header.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EPROTO;
}

int natlab_flush_connections(const struct natlab_namespaces *namespaces, struct natlab_failure *failure) {
    const int netlink = natlab_socket(namespaces, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, failure);
    if (netlink < 0) {
        return -1;
    }
    // A delete request without a tuple removes all entries (what `conntrack -F` sends).
    struct {
        struct nlmsghdr header;
        struct nfgenmsg message;
    } request = {
        .header = {
            .nlmsg_len = sizeof request,
            .nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
        },
        .message = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
    };
    int code = send(netlink, &request, sizeof request, 0) < 0 ? errno : acknowledgement(netlink);
    close(netlink);
    if (code != 0) {
        *failure = (struct natlab_failure){.step = "flush the connection tracking", .code = code};
        return -1;
    }
    return 0;
}

int natlab_capture_socket(const struct natlab_namespaces *namespaces, struct natlab_failure *failure) {
    const int capture = natlab_socket(namespaces, AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL), failure);
    if (capture >= 0) {
        const int size = 8 << 20;
        setsockopt(capture, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    return capture;
}

int natlab_capture_read(int capture, uint8_t *buffer, size_t capacity, struct natlab_packet *packet) {
    struct sockaddr_ll from = {0};
    socklen_t length = sizeof from;
    const ssize_t count = recvfrom(capture, buffer, capacity, 0, (struct sockaddr *)&from, &length);
    if (count < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    packet->outgoing = from.sll_pkttype == PACKET_OUTGOING;
    packet->loopback = from.sll_hatype == ARPHRD_LOOPBACK;
    packet->ethernet_protocol = ntohs(from.sll_protocol);
    packet->length = (size_t)count;
    return 1;
}

long natlab_capture_lost(int capture) {
    struct tpacket_stats statistics = {0};
    socklen_t length = sizeof statistics;
    if (getsockopt(capture, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) != 0) {
        return -1;
    }
    return (long)statistics.tp_drops;
}
