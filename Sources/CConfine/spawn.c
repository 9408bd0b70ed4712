#define _GNU_SOURCE
#include "CConfine.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

static int add_actions(posix_spawn_file_actions_t *actions, int descriptor) {
    int result = posix_spawn_file_actions_adddup2(actions, descriptor, STDIN_FILENO);
    if (result == 0) {
        result = posix_spawn_file_actions_adddup2(actions, descriptor, STDOUT_FILENO);
    }
    if (result == 0) {
        result = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (result == 0) {
        result = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    }
    if (result == 0) {
        result = posix_spawn_file_actions_addchdir_np(actions, "/");
    }
    return result;
}

int sotto_spawn_bare(int *process, const char *path, char *const *arguments, int descriptor) {
    char *const environment[] = {NULL};
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
    // A session of its own: what the terminal sends is meant for the program, and the terminal is none of the helper's.
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    result = add_actions(&actions, descriptor);
    if (result == 0) {
        result = posix_spawn(process, path, &actions, &attributes, arguments, environment);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return result;
}
