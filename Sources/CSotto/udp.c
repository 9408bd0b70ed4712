#define _GNU_SOURCE
#include "sotto_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

// Older kernels take 64 segments a call, newer ones 128.
#define MAX_SEGMENTS 64
// 65535 less the headers of IPv6 and UDP; the kernel counts all segments of a call as one datagram.
#define MAX_BURST 65487

static int send_one(
    int fd, const struct sockaddr *to, socklen_t to_length, const uint8_t *bytes, size_t length, uint16_t segment_size) {
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control;
    struct iovec vector = {(void *)bytes, length};
    struct msghdr message = {.msg_name = (void *)to, .msg_namelen = to_length, .msg_iov = &vector, .msg_iovlen = 1};
    if (segment_size != 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof segment_size);
        memcpy(CMSG_DATA(header), &segment_size, sizeof segment_size);
    }
    ssize_t result;
    do
        result = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (result < 0 && errno == EINTR);
    return result < 0 ? errno : 0;
}

static bool refuses_segmentation(int error) {
    return error == EIO || error == EINVAL || error == ENOPROTOOPT || error == EOPNOTSUPP || error == EMSGSIZE;
}

int sotto_udp_send(
    int fd, const struct sockaddr *to, socklen_t to_length, const void *bytes, size_t length, uint16_t segment_size,
    bool *segmentation, size_t *sent) {
    const uint8_t *next = bytes;
    size_t left = length;
    size_t segment = segment_size == 0 || segment_size > length ? length : segment_size;
    bool burst = segmentation == NULL || *segmentation;
    int error = 0;
    while (left > 0 && error == 0) {
        size_t segments = burst ? MAX_BURST / segment : 1;
        if (segments > MAX_SEGMENTS)
            segments = MAX_SEGMENTS;
        size_t size = segments > 1 ? segments * segment : segment;
        if (size > left)
            size = left;
        bool many = size > segment;
        error = send_one(fd, to, to_length, next, size, many ? (uint16_t)segment : 0);
        if (many && refuses_segmentation(error)) {
            // EINVAL and EMSGSIZE speak of this size, the others of this socket or its device.
            if (segmentation != NULL && error != EINVAL && error != EMSGSIZE)
                *segmentation = false;
            burst = false;
            error = 0;
            continue;
        }
        if (error == 0) {
            next += size;
            left -= size;
        }
    }
    if (sent != NULL)
        *sent = length - left;
    return error;
}

int sotto_udp_set_dont_fragment(int fd, int family) {
    int result;
    if (family == AF_INET6) {
        int value = IPV6_PMTUDISC_PROBE;
        result = setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &value, sizeof value);
    } else {
        int value = IP_PMTUDISC_PROBE;
        result = setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, sizeof value);
    }
    return result < 0 ? errno : 0;
}
