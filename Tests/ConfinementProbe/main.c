// Confines itself as the gateway helper does, tries what it may not do, and says of each try the number of the error, zero for none.
#define _GNU_SOURCE
#include "CConfine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void say(const char *name, long result) {
    int code = result < 0 ? errno : 0;
    char line[64];
    int length = snprintf(line, sizeof line, "%s %d\n", name, code);
    if (write(STDOUT_FILENO, line, (size_t)length) != length) {
        _exit(2);
    }
}

static long map(size_t length, int protection) {
    return mmap(NULL, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static void try_files_and_processes(void) {
    say("open", open("/etc/passwd", O_RDONLY));
    say("create", open("/tmp/sotto-confinement-probe", O_WRONLY | O_CREAT, 0600));
    say("unlink", unlink("/nonexistent"));
    struct stat status;
    say("stat", stat("/etc/passwd", &status));
    // With this flag a path may be empty, and need not be.
    say("status", fstatat(STDIN_FILENO, "/etc/passwd", &status, AT_EMPTY_PATH));
    char *const none[] = {NULL};
    say("execute", execve("/bin/true", none, none));
    say("fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    say("signal", kill(getppid(), 0));
    say("trace", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    say("peek", process_vm_readv(getppid(), &here, 1, &there, 1, 0));
    say("ring", syscall(SYS_io_uring_setup, 1, NULL));
    say("prctl", prctl(PR_SET_PDEATHSIG, 0));
    struct rlimit limits = {RLIM_INFINITY, RLIM_INFINITY};
    say("limits", setrlimit(RLIMIT_AS, &limits));
}

static void try_sockets_and_memory(void) {
    say("unix", socket(AF_UNIX, SOCK_STREAM, 0));
    say("ipv6", socket(AF_INET6, SOCK_DGRAM, 0));
    say("netlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    say("raw", socket(AF_INET, SOCK_RAW, 1));
    say("mptcp", socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
    say("sctp", socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
    say("udplite", socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE));
    say("icmp", socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    say("udp", udp);
    say("udp17", socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
    say("tcp", socket(AF_INET, SOCK_STREAM, 0));
    say("tcp6", socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
    // Needs CAP_NET_ADMIN.
    int size = 4096;
    say("capability", setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size));
    say("code", map(4096, PROT_READ | PROT_EXEC));
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("turned", page == MAP_FAILED ? 0 : mprotect(page, 4096, PROT_READ | PROT_EXEC));
    say("little", map(1 << 20, PROT_READ | PROT_WRITE));
    say("much", map((size_t)256 << 20, PROT_READ | PROT_WRITE));
}

int main(void) {
    int result = sotto_confine(64ul << 20, 60, 10);
    errno = result;
    say("confined", result == 0 ? 0 : -1);
    if (result != 0) {
        return 1;
    }
    try_files_and_processes();
    try_sockets_and_memory();
    return 0;
}
