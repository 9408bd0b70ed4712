// What Swift cannot say: GObject's variadic functions and macros (sotto_nice.h), extensions of the C library
// (sotto_thread.h), control messages of sockets (sotto_udp.h).
#pragma once

#include "sotto_nice.h"
#include "sotto_thread.h"
#include "sotto_udp.h"
