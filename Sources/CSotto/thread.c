#define _GNU_SOURCE
#include "sotto_thread.h"

#include <pthread.h>

void sotto_thread_set_name(const char *name) {
    pthread_setname_np(pthread_self(), name);
}
