// A process of one's own program that may do little: how it is started, and how it gives up what it may.
//
// Includes nothing: what a header of the C library declares would belong to this module then, and to no other.
#pragma once

/// Starts a program with an empty environment, in a session of its own. Its standard input and output are `descriptor`, standard error is
/// /dev/null, it inherits no other descriptor, and its directory is the root. Returns 0, or the error's number.
int sotto_spawn_bare(int *process, const char *path, char *const *arguments, int descriptor);

/// Takes from this process, for good, what it does not need: privileges, memory beyond `memory` more bytes, processor time beyond `seconds`,
/// files, other processes, and every system call that is not for IPv4 sockets, memory or time. When its parent ends it has `grace` seconds
/// left. Returns 0, or the error's number: then nothing may be read from outside.
int sotto_confine(unsigned long memory, unsigned long seconds, unsigned int grace);
