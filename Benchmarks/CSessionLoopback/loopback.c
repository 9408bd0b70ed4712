#define _GNU_SOURCE
#include "loopback.h"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

int loopback_open(uint16_t port, int is_server) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1, size = 8 << 20;
    setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    int status = is_server ? bind(fd, (void *)&address, sizeof address) : connect(fd, (void *)&address, sizeof address);
    return status == 0 ? fd : -1;
}

int loopback_connect_to_sender(int fd) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    char byte;
    if (recvfrom(fd, &byte, 1, MSG_PEEK, (void *)&from, &length) < 0) return -1;
    return connect(fd, (void *)&from, length);
}

int loopback_receive(int fd, uint8_t *buffer, int count, uint32_t *lengths, uint32_t *segments) {
    struct mmsghdr messages[32];
    struct iovec vectors[32];
    char control[32][64];
    if (count > 32) count = 32;
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < count; i++) {
        vectors[i].iov_base = buffer + 65536 * i;
        vectors[i].iov_len = 65536;
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_control = control[i];
        messages[i].msg_hdr.msg_controllen = sizeof control[i];
    }
    int received = recvmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    for (int i = 0; i < received; i++) {
        lengths[i] = segments[i] = messages[i].msg_len;
        struct msghdr *header = &messages[i].msg_hdr;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
            if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
                int size;
                memcpy(&size, CMSG_DATA(c), sizeof size);
                segments[i] = (uint32_t)size;
            }
    }
    return received < 0 ? 0 : received;
}

void loopback_send(int fd, const void *bytes, size_t length, uint16_t segment) {
    char control[CMSG_SPACE(sizeof segment)] = {0};
    struct iovec vector = {(void *)bytes, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (length > segment) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof segment);
        memcpy(CMSG_DATA(header), &segment, sizeof segment);
    }
    sendmsg(fd, &message, MSG_NOSIGNAL);
}

void loopback_wait(int fd, uint64_t nanoseconds) {
    struct pollfd entry = {fd, POLLIN, 0};
    struct timespec time = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
    ppoll(&entry, 1, &time, NULL);
}

uint64_t loopback_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

double loopback_cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

long loopback_memory(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}
