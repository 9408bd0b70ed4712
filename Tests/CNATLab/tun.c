#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

struct making {
    const struct natlab_namespaces *namespaces;
    struct natlab_failure *failure;
    struct ifreq request;
    int made;
};

NATLAB_CHILD static int make(void *argument) {
    struct making *making = argument;
    if (!natlab_enter(making->namespaces, making->failure)) {
        _exit(0);
    }
    // A tunnel belongs to the network namespace in which its file was opened; with CLONE_FILES the descriptor is ours.
    const int tunnel = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tunnel < 0) {
        making->failure->step = "open /dev/net/tun";
        making->failure->code = errno;
        _exit(0);
    }
    if (ioctl(tunnel, TUNSETIFF, &making->request) != 0) {
        making->failure->step = "make a tunnel";
        making->failure->code = errno;
        close(tunnel);
        _exit(0);
    }
    making->made = tunnel;
    _exit(0);
}

int natlab_tunnel(const struct natlab_namespaces *namespaces, const char *name, struct natlab_failure *failure) {
    const struct natlab_namespaces only = {
        .user = namespaces->user, .mount = -1, .process = -1, .network = namespaces->network};
    struct making making = {.namespaces = &only, .failure = failure, .made = -1};
    making.request.ifr_flags = IFF_TUN | IFF_NO_PI;
    strncpy(making.request.ifr_name, name, sizeof making.request.ifr_name - 1);
    if (natlab_run_sharing_memory(make, &making, CLONE_FILES) != 0) {
        *failure = (struct natlab_failure){.step = "make a child", .code = errno};
        return -1;
    }
    return making.made;
}

int64_t natlab_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void natlab_precise_timers(void) {
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

void natlab_sleep_until(int64_t time) {
    const struct timespec end = {.tv_sec = time / 1000000000, .tv_nsec = time % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, 0) == EINTR) {
    }
}

int natlab_wait(const int *descriptors, size_t count, int64_t nanoseconds) {
    struct pollfd waiting[8];
    if (count > sizeof waiting / sizeof waiting[0]) {
        errno = EINVAL;
        return -1;
    }
    for (size_t index = 0; index < count; index++) {
        waiting[index] = (struct pollfd){.fd = descriptors[index], .events = POLLIN};
    }
    const struct timespec limit = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    return ppoll(waiting, count, nanoseconds < 0 ? 0 : &limit, 0);
}
