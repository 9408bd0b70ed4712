#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// The new process works on a copy of this process's memory and may call only what is safe after fork in a process
// with threads.

struct holding {
    int control;
    int report;
    bool with_user_namespace;
    char user_map[64];
    char group_map[64];
};

NATLAB_CHILD static bool write_file(const char *path, const char *text) {
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    const ssize_t length = (ssize_t)strlen(text);
    const bool written = write(file, text, (size_t)length) == length;
    close(file);
    return written;
}

NATLAB_CHILD static int fail(const struct holding *holding, const char *step) {
    // The address of a constant is the same in parent and child.
    const struct natlab_failure failure = {.step = step, .code = errno};
    const ssize_t ignored = write(holding->report, &failure, sizeof failure);
    (void)ignored;
    _exit(1);
}

NATLAB_CHILD static int holder(void *argument) {
    const struct holding *holding = argument;
    if (holding->with_user_namespace) {
        write_file("/proc/self/setgroups", "deny");
        if (!write_file("/proc/self/uid_map", holding->user_map)) {
            return fail(holding, "map the user id");
        }
        if (!write_file("/proc/self/gid_map", holding->group_map)) {
            return fail(holding, "map the group id");
        }
    }
    if (mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) != 0) {
        return fail(holding, "make the mounts private");
    }
    if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") != 0) {
        return fail(holding, "mount a tmpfs over /run");
    }
    // Programs look themselves up there by process id: libdispatch crashes when the numbers are not its own.
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0) != 0) {
        return fail(holding, "mount the laboratory's own /proc");
    }
    if (mkdir("/run/netns", 0755) != 0) {
        return fail(holding, "make /run/netns");
    }
    if (dup2(holding->control, 0) < 0) {
        return fail(holding, "hand over the control socket");
    }
    const int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere < 0 || dup2(nowhere, 1) < 0 || dup2(nowhere, 2) < 0) {
        return fail(holding, "open /dev/null");
    }
    if (dup2(holding->report, 3) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) != 0) {
        return fail(holding, "keep the report pipe");
    }
    natlab_close_from(4);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    char *const arguments[] = {"natlab-holder", 0};
    char *const environment[] = {0};
    execve("/bin/cat", arguments, environment);
    struct holding at_three = {.report = 3};
    return fail(&at_three, "start /bin/cat");
}

/// Starts the child; on success `*report` is the end of the pipe on which it reports failure.
static pid_t start(struct holding *holding, int *report) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    char *stack = malloc(natlab_stack_size);
    if (stack == 0) {
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    holding->report = ends[1];
    const int kinds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | (holding->with_user_namespace ? CLONE_NEWUSER : 0);
    const pid_t child = clone(holder, stack + natlab_stack_size, kinds | SIGCHLD, holding);
    const int code = errno;
    free(stack);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
    }
    *report = ends[0];
    errno = code;
    return child;
}

pid_t natlab_hold(int control, bool with_user_namespace, struct natlab_failure *failure) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    *failure = (struct natlab_failure){.step = "start children that share memory under ThreadSanitizer", .code = ENOTSUP};
    return -1;
#endif
#endif
    struct holding holding = {.control = control, .with_user_namespace = with_user_namespace};
    snprintf(holding.user_map, sizeof holding.user_map, "0 %u 1", (unsigned)geteuid());
    snprintf(holding.group_map, sizeof holding.group_map, "0 %u 1", (unsigned)getegid());
    int report = -1;
    const pid_t child = start(&holding, &report);
    if (child < 0) {
        failure->step = "create namespaces";
        failure->code = errno;
        return -1;
    }
    struct natlab_failure reported;
    ssize_t count;
    do {
        count = read(report, &reported, sizeof reported);
    } while (count < 0 && errno == EINTR);
    close(report);
    if (count == 0) {
        return child;
    }
    *failure = count == (ssize_t)sizeof reported
        ? reported
        : (struct natlab_failure){.step = "hear from the namespaces", .code = EIO};
    while (waitpid(child, 0, 0) < 0 && errno == EINTR) {
    }
    return -1;
}
