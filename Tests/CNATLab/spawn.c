#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Two steps, because entering a process namespace moves only later children into it: the first child enters the
// namespaces, its own child (made with CLONE_PARENT, so it is ours to wait for) becomes the program.

struct spawning {
    const struct natlab_command *command;
    struct natlab_failure *failure;
    char *second_stack_top;
    pid_t process;
};

NATLAB_CHILD static int failed(const struct spawning *spawning, const char *step) {
    spawning->failure->step = step;
    spawning->failure->code = errno;
    _exit(127);
}

NATLAB_CHILD static void reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        sigaction(number, &standard, 0);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
}

NATLAB_CHILD static int become_program(void *argument) {
    const struct spawning *spawning = argument;
    const struct natlab_command *command = spawning->command;
    // Moved out of the way first, so that no dup2 below overwrites a source of a later one.
    const int input = fcntl(command->input, F_DUPFD, 3);
    const int output = fcntl(command->output, F_DUPFD, 3);
    const int error = fcntl(command->error, F_DUPFD, 3);
    if (input < 0 || output < 0 || error < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0) {
        return failed(spawning, "hand over standard input and output");
    }
    natlab_close_from(3);
    if (command->directory != 0 && chdir(command->directory) != 0) {
        return failed(spawning, "change the directory");
    }
    reset_signals();
    execve(command->path, command->arguments, command->environment);
    return failed(spawning, "execute the program");
}

NATLAB_CHILD static int enter_and_clone(void *argument) {
    struct spawning *spawning = argument;
    if (!natlab_enter(&spawning->command->namespaces, spawning->failure)) {
        _exit(127);
    }
    spawning->process = clone(
        become_program, spawning->second_stack_top, CLONE_VM | CLONE_VFORK | CLONE_PARENT | SIGCHLD, spawning);
    if (spawning->process < 0) {
        return failed(spawning, "make a process in the laboratory");
    }
    _exit(0);
}

/// Where no namespace is to be entered the C library does all of it, and the sanitizers know what it does.
static pid_t spawn_here(const struct natlab_command *command, struct natlab_failure *failure) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    pid_t process = -1;
    int code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        *failure = (struct natlab_failure){.step = "prepare a program", .code = code};
        return -1;
    }
    code = posix_spawn_file_actions_init(&actions);
    if (code == 0) {
        // The sources have numbers from 3 on, because this process has its own 0, 1 and 2.
        if ((code = posix_spawn_file_actions_adddup2(&actions, command->input, 0)) == 0
            && (code = posix_spawn_file_actions_adddup2(&actions, command->output, 1)) == 0
            && (code = posix_spawn_file_actions_adddup2(&actions, command->error, 2)) == 0
            && (code = posix_spawn_file_actions_addclosefrom_np(&actions, 3)) == 0
            && (command->directory == 0
                || (code = posix_spawn_file_actions_addchdir_np(&actions, command->directory)) == 0)
            && (code = posix_spawnattr_setsigmask(&attributes, &none)) == 0
            && (code = posix_spawnattr_setsigdefault(&attributes, &all)) == 0
            && (code = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) == 0) {
            code = posix_spawn(
                &process, command->path, &actions, &attributes, command->arguments, command->environment);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    if (code != 0) {
        *failure = (struct natlab_failure){.step = "execute the program", .code = code};
        return -1;
    }
    return process;
}

pid_t natlab_spawn(const struct natlab_command *command, struct natlab_failure *failure) {
    failure->step = 0;
    failure->code = 0;
    const struct natlab_namespaces *wanted = &command->namespaces;
    if (wanted->user < 0 && wanted->mount < 0 && wanted->process < 0 && wanted->network < 0) {
        return spawn_here(command, failure);
    }
    char *stack = mmap(0, natlab_stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        *failure = (struct natlab_failure){.step = "get memory for a child's stack", .code = errno};
        return -1;
    }
    struct spawning spawning = {
        .command = command, .failure = failure, .second_stack_top = stack + natlab_stack_size, .process = -1};
    if (natlab_run_sharing_memory(enter_and_clone, &spawning, 0) != 0) {
        *failure = (struct natlab_failure){.step = "make a child", .code = errno};
    }
    munmap(stack, natlab_stack_size);
    if (failure->step != 0) {
        if (spawning.process > 0) {
            siginfo_t info;
            syscall(SYS_waitid, 1 /* P_PID */, spawning.process, &info, 4 /* WEXITED */, 0);
        }
        return -1;
    }
    return spawning.process;
}

int natlab_process_descriptor(pid_t process) {
    return (int)syscall(SYS_pidfd_open, process, 0U);
}

int natlab_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : -1;
}
