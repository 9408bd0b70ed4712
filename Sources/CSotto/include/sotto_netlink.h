// Changes of this machine's addresses and routes (rtnetlink(7)).
#pragma once

// A socket that becomes readable whenever an address or a link changes; close-on-exec, non-blocking. -1 with errno set.
int sotto_netlink_open(void);
