#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

NATLAB_CHILD bool natlab_enter(const struct natlab_namespaces *namespaces, struct natlab_failure *failure) {
    const struct {
        int descriptor;
        int kind;
        const char *step;
    } order[] = {
        {namespaces->user, CLONE_NEWUSER, "enter the user namespace"},
        {namespaces->network, CLONE_NEWNET, "enter the network namespace"},
        {namespaces->process, CLONE_NEWPID, "enter the process namespace"},
        {namespaces->mount, CLONE_NEWNS, "enter the mount namespace"},
    };
    for (size_t index = 0; index < sizeof order / sizeof order[0]; index++) {
        if (order[index].descriptor >= 0 && setns(order[index].descriptor, order[index].kind) != 0) {
            failure->step = order[index].step;
            failure->code = errno;
            return false;
        }
    }
    return true;
}

NATLAB_CHILD void natlab_close_from(int first) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0) {
        return;
    }
#endif
    struct rlimit limit;
    const int last = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int descriptor = first; descriptor < last; descriptor++) {
        close(descriptor);
    }
}

int natlab_run_sharing_memory(int (*body)(void *), void *argument, int extra_flags) {
    void *stack = mmap(0, natlab_stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        return -1;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    const pid_t child = clone(
        body, (char *)stack + natlab_stack_size, CLONE_VM | CLONE_VFORK | SIGCHLD | extra_flags, argument);
    const int code = errno;
    int status = 0;
    if (child > 0) {
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    munmap(stack, natlab_stack_size);
    errno = code;
    return child > 0 ? 0 : -1;
}
