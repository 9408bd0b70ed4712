// What Swift cannot say: GObject's variadic functions and macros (sotto_nice.h), extensions of the C library
// (sotto_thread.h), netlink (sotto_netlink.h), control messages of
// sockets (sotto_udp.h), socket filters (sotto_steer.h).
#pragma once

#include "sotto_netlink.h"
#include "sotto_nice.h"
#include "sotto_steer.h"
#include "sotto_thread.h"
#include "sotto_udp.h"
