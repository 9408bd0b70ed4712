#define _GNU_SOURCE
#include "CTestTools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

int test_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC);
}

static int add_actions(posix_spawn_file_actions_t *actions, const char *directory, const int descriptors[3]) {
    int result = 0;
    for (int number = 0; number < 3 && result == 0; number++) {
        result = posix_spawn_file_actions_adddup2(actions, descriptors[number], number);
    }
    if (result == 0) {
        result = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    }
    if (result == 0 && directory) {
        result = posix_spawn_file_actions_addchdir_np(actions, directory);
    }
    return result;
}

int test_spawn(
    pid_t *process, char *const *arguments, char *const *environment, const char *directory, const int descriptors[3]) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int result = posix_spawn_file_actions_init(&actions);
    if (result != 0) {
        return result;
    }
    result = posix_spawnattr_init(&attributes);
    if (result != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return result;
    }
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    result = add_actions(&actions, directory, descriptors);
    if (result == 0) {
        result = posix_spawn(process, arguments[0], &actions, &attributes, arguments, environment);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}
