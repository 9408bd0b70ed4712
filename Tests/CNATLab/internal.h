#ifndef CNATLAB_INTERNAL_H
#define CNATLAB_INTERNAL_H

#include "CNATLab.h"

// Children that share this process's memory must not run instrumented code.
#define NATLAB_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))

/// Enters the namespaces, user first, so that the others are entered with its capabilities.
bool natlab_enter(const struct natlab_namespaces *namespaces, struct natlab_failure *failure);

/// Closes every descriptor from `first` on.
void natlab_close_from(int first);

/// Runs `body` in a child that shares this process's memory, while this thread waits; signals are blocked.
/// Returns 0 when the child ran to its end, else -1 with errno.
int natlab_run_sharing_memory(int (*body)(void *), void *argument, int extra_flags);

/// Size in bytes of the stack of such a child.
enum { natlab_stack_size = 256 * 1024 };

#endif
