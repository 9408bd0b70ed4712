#define _GNU_SOURCE
#include "CTestTools.h"

#include <string.h>

ssize_t test_find(const void *bytes, size_t count, size_t start, const void *needle, size_t needle_count) {
    if (start > count) {
        return -1;
    }
    const char *found = memmem((const char *)bytes + start, count - start, needle, needle_count);
    return found == 0 ? -1 : found - (const char *)bytes;
}
