// What the C library declares only as an extension of its own.
#pragma once

// Names the calling thread for debuggers and /proc; at most 15 characters.
void sotto_thread_set_name(const char *_Nonnull name);
