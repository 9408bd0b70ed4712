// What tests need of the C library and Swift does not see, because it is an extension of GNU's: for starting programs, and for searching bytes.
#ifndef CTESTTOOLS_H
#define CTESTTOOLS_H

#include <sys/types.h>

/// A pipe (reading end, writing end) that no program inherits; -1 with errno.
int test_pipe(int ends[2]);

/// Starts a program in a directory (NULL: here), with these descriptors as 0, 1 and 2 and no other, and with all signals as a
/// shell would have them. Returns 0 with the process id filled in, or an error number.
int test_spawn(
    pid_t *process, char *const *arguments, char *const *environment, const char *directory, const int descriptors[3]);

/// Where `needle` occurs first in `bytes`, from `start` on; -1 when it does not.
ssize_t test_find(const void *bytes, size_t count, size_t start, const void *needle, size_t needle_count);

/// From now on setsockopt(2) fails with ENOPROTOOPT for this option, on every thread of this process and for good (seccomp). Returns 0 or the
/// number of an error.
int test_deny_socket_option(int level, int option);

#endif
