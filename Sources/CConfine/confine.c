#define _GNU_SOURCE
#include "CConfine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define MAX_FILES 16

// What is allowed whatever the arguments are. Not among it: opening files, starting or reading or signalling processes, mapping code,
// Unix sockets, and what takes a path: newfstatat() would do as the C library's fstat(), but tells of any file; nothing here needs that.
// What is not allowed fails with EPERM.
static const int ALLOWED[] = {
    // Descriptors that are open already.
    SYS_read, SYS_write, SYS_writev, SYS_close, SYS_fstat, SYS_lseek,
    // Sockets: socket() itself is below.
    SYS_connect, SYS_bind, SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_getpeername, SYS_sendto, SYS_recvfrom, SYS_sendmsg,
    SYS_recvmsg, SYS_shutdown, SYS_ppoll, SYS_pselect6,
    // Memory: mmap() and mprotect() are below.
    SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_futex, SYS_getrandom,
    // Time and signals of this process.
    SYS_clock_gettime, SYS_gettimeofday, SYS_nanosleep, SYS_clock_nanosleep, SYS_setitimer, SYS_restart_syscall, SYS_rt_sigaction,
    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_sched_yield, SYS_getpid, SYS_getppid, SYS_gettid, SYS_exit,
    SYS_exit_group,
#if defined(__x86_64__)
    SYS_poll, SYS_select, SYS_alarm, SYS_time,
#endif
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_PROGRAM (2 * COUNT(ALLOWED) + 32)

struct program {
    struct sock_filter code[MAX_PROGRAM];
    unsigned short length;
};

static void put(struct program *program, unsigned short code, unsigned char yes, unsigned char no, unsigned int k) {
    program->code[program->length++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = k};
}

// Loads the low half of an argument; both architectures are little-endian.
static void load_argument(struct program *program, int index) {
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned int)(offsetof(struct seccomp_data, args) + 8 * (size_t)index));
}

static void end(struct program *program, unsigned int what) {
    put(program, BPF_RET | BPF_K, 0, 0, what);
}

static const unsigned int REFUSE = SECCOMP_RET_ERRNO | EPERM;

// Memory that is not for code.
static void add_mapping(struct program *program, int call) {
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (unsigned int)call);
    load_argument(program, 2);
    put(program, BPF_JMP | BPF_JSET | BPF_K, 0, 1, PROT_EXEC);
    end(program, REFUSE);
    end(program, SECCOMP_RET_ALLOW);
}

#if defined(ARCHITECTURE)
static void write_filter(struct program *program) {
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);
    end(program, SECCOMP_RET_KILL_PROCESS);
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    for (size_t index = 0; index < COUNT(ALLOWED); index++) {
        put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned int)ALLOWED[index]);
        end(program, SECCOMP_RET_ALLOW);
    }
    add_mapping(program, SYS_mmap);
    add_mapping(program, SYS_mprotect);
    // TCP and UDP over IPv4, and no other protocol of these types (MPTCP, SCTP, UDP-Lite, ICMP).
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 11, SYS_socket);
    load_argument(program, 0);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 9, AF_INET);
    load_argument(program, 1);
    put(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xF);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SOCK_STREAM);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 5, SOCK_DGRAM);
    load_argument(program, 2);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, IPPROTO_IP);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, IPPROTO_TCP);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, IPPROTO_UDP);
    end(program, SECCOMP_RET_ALLOW);
    end(program, REFUSE);
}

static int install_filter(void) {
    struct program program = {.length = 0};
    write_filter(&program);
    struct sock_fprog filter = {.len = program.length, .filter = program.code};
    // For all threads; the number of one that could not follow is an error, too.
    long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
    return result == 0 ? 0 : (result < 0 ? errno : ESRCH);
}
#else
static int install_filter(void) {
    return ENOSYS;
}
#endif

// What makes root more than another user. The bounding set, which limits the programs that are started from here, may stay: none can be.
static int drop_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &header, none) == 0 ? 0 : errno;
}

static int limit(int resource, rlim_t value) {
    struct rlimit limits = {.rlim_cur = value, .rlim_max = value};
    return setrlimit((__rlimit_resource_t)resource, &limits) == 0 ? 0 : errno;
}

// Bytes of address space in use, zero if that is not known.
static rlim_t address_space(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    if (file) {
        if (fscanf(file, "%lu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static pid_t parent;
static unsigned int grace_seconds;

// The kernel sends this for the end of the thread that started us, too, which means nothing.
static void parent_thread_ended(int number) {
    (void)number;
    if (getppid() != parent) {
        alarm(grace_seconds);
    }
}

static int watch_parent(unsigned int grace) {
    parent = getppid();
    grace_seconds = grace;
    struct sigaction action = {.sa_handler = parent_thread_ended, .sa_flags = SA_RESTART};
    if (sigaction(SIGUSR1, &action, NULL) != 0 || prctl(PR_SET_PDEATHSIG, SIGUSR1) != 0) {
        return errno;
    }
    // Who stops all programs gets to us by the end of our parent, after which there is something to tidy up.
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

int sotto_confine(unsigned long memory, unsigned long seconds, unsigned int grace) {
    rlim_t used = address_space();
    if (used == 0) {
        return ENOENT;
    }
    prctl(PR_SET_NAME, "sotto-gateway");
    int result = watch_parent(grace);
    if (result == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        result = errno;
    }
    const struct {
        int resource;
        rlim_t value;
    } limits[] = {
        {RLIMIT_AS, used + memory}, {RLIMIT_CPU, seconds}, {RLIMIT_NOFILE, MAX_FILES}, {RLIMIT_CORE, 0}, {RLIMIT_FSIZE, 0},
    };
    for (size_t index = 0; index < COUNT(limits) && result == 0; index++) {
        result = limit(limits[index].resource, limits[index].value);
    }
    if (result == 0) {
        result = drop_capabilities();
    }
    return result == 0 ? install_filter() : result;
}
