// The load of `sotto-signal-load --mode signal` for the WebSocket listener of nats-server: each connection subscribes to a subject of its own, and whoever gets a
// message publishes one to a random other. Tells what it saw in one line of JSON, with the server's processor time and memory from /proc.
//   gcc -O2 nats_load.c -o nats_load && ./nats_load PORT CONNECTIONS IN-FLIGHT SECONDS BYTES PID-OF-THE-SERVER
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 64 * 1024, LARGEST = 32 * 1024 };

struct client {
    int socket;
    size_t count;
    unsigned char *bytes;
};

static struct client *clients;
static int connections, payload;
static uint64_t received;

static void give_up(const char *why) {
    fprintf(stderr, "nats_load: %s\n", why);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

// User and system time of a process in seconds (proc(5), `stat`, fields 14 and 15).
static double processor_seconds(int process) {
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) give_up("no such server");
    fclose(file);
    unsigned long user, system;
    char *end = strrchr(line, ')');
    if (!end || sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        give_up("no such server");
    return (user + system) / (double)sysconf(_SC_CLK_TCK);
}

static long resident_kibibytes(int process) {
    char path[64], line[256];
    long result = 0;
    snprintf(path, sizeof path, "/proc/%d/status", process);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &result) == 1) break;
    if (file) fclose(file);
    return result;
}

// A masked binary message.
static void transmit(int socket, const void *message, size_t count) {
    static const unsigned char mask[4] = {0x5A, 0xC3, 0x96, 0x3C};
    unsigned char frame[LARGEST + 8];
    size_t header = 2;
    frame[0] = 0x82;
    if (count < 126) {
        frame[1] = 0x80 | count;
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = count >> 8;
        frame[3] = count;
        header = 4;
    }
    memcpy(frame + header, mask, 4);
    header += 4;
    for (size_t i = 0; i < count; i++) frame[header + i] = ((const unsigned char *)message)[i] ^ mask[i & 3];
    for (size_t sent = 0; sent < header + count;) {
        ssize_t more = send(socket, frame + sent, header + count - sent, MSG_NOSIGNAL);
        if (more < 0 && errno != EAGAIN) give_up("a connection broke");
        if (more > 0) sent += more;
    }
}

static void publish(int from) {
    static char message[LARGEST];
    int count = sprintf(message, "PUB p%d %d\r\n", rand() % connections, payload);
    memset(message + count, 'x', payload);
    memcpy(message + count + payload, "\r\n", 2);
    transmit(clients[from].socket, message, count + payload + 2);
}

// Everything that the server says within one frame: messages, and questions whether one is there.
static void understand(int index, const unsigned char *text, size_t count) {
    for (size_t i = 0; i + 5 < count; i++) {
        if (!memcmp(text + i, "MSG p", 5)) {
            received++;
            publish(index);
            i += payload;
        } else if (!memcmp(text + i, "PING\r", 5)) {
            transmit(clients[index].socket, "PONG\r\n", 6);
        }
    }
}

static void take_frames(int index) {
    struct client *client = &clients[index];
    size_t at = 0;
    while (client->count - at >= 2) {
        const unsigned char *frame = client->bytes + at;
        size_t left = client->count - at, length = frame[1] & 127, header = 2;
        if (length == 126) {
            if (left < 4) break;
            length = frame[2] << 8 | frame[3];
            header = 4;
        } else if (length == 127) {
            give_up("a frame is too large");
        }
        if (left < header + length) break;
        understand(index, frame + header, length);
        at += header + length;
    }
    memmove(client->bytes, client->bytes + at, client->count - at);
    client->count -= at;
}

static void join(int index, int port, int poll) {
    int socket_ = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(socket_, (void *)&address, sizeof address)) give_up("nobody listens");
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const char *request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    if (send(socket_, request, strlen(request), MSG_NOSIGNAL) < 0) give_up("a connection broke");
    char answer[4096] = "";
    for (int count = 0; count < (int)sizeof answer - 1 && !strstr(answer, "\r\n\r\n"); count++)
        if (recv(socket_, answer + count, 1, 0) != 1) give_up("the upgrade was refused");
    if (strncmp(answer, "HTTP/1.1 101", 12)) give_up("the upgrade was refused");
    char greeting[160];
    int count = sprintf(greeting, "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1}\r\nSUB p%d 1\r\n", index);
    transmit(socket_, greeting, count);
    clients[index] = (struct client){socket_, 0, malloc(ROOM)};
    fcntl(socket_, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {EPOLLIN, {.u32 = index}};
    epoll_ctl(poll, EPOLL_CTL_ADD, socket_, &event);
}

int main(int count, char **arguments) {
    if (count != 7) give_up("PORT CONNECTIONS IN-FLIGHT SECONDS BYTES PID");
    int port = atoi(arguments[1]), in_flight = atoi(arguments[3]), server = atoi(arguments[6]);
    double seconds = atof(arguments[4]);
    connections = atoi(arguments[2]);
    payload = atoi(arguments[5]);
    if (connections < 2 || payload < 1 || payload > LARGEST - 64) give_up("numbers");
    struct rlimit files;
    if (!getrlimit(RLIMIT_NOFILE, &files)) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
    clients = calloc(connections, sizeof *clients);
    int poll = epoll_create1(0);
    long before = resident_kibibytes(server);
    for (int i = 0; i < connections; i++) join(i, port, poll);
    // Until all subscriptions hold: as sotto-signal-load waits.
    sleep(1);
    double each = (double)(resident_kibibytes(server) - before) / connections;
    for (int i = 0; i < in_flight; i++) publish(rand() % connections);
    double began = now(), measured = 0, used = 0;
    uint64_t first = 0;
    while (!measured || now() < measured + seconds) {
        if (!measured && now() > began + 1) {
            measured = now();
            first = received;
            used = processor_seconds(server);
        }
        struct epoll_event events[256];
        int ready = epoll_wait(poll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            struct client *client = &clients[events[i].data.u32];
            ssize_t more = recv(client->socket, client->bytes + client->count, ROOM - client->count, 0);
            if (more == 0) give_up("a connection broke");
            if (more < 0) continue;
            client->count += more;
            take_frames(events[i].data.u32);
        }
    }
    double time = now() - measured, processor = processor_seconds(server) - used;
    printf("{\"framesPerSecond\": %.0f, \"framesPerCPUSecond\": %.0f, \"kibibytesPerConnection\": %.2f}\n",
           (received - first) / time, (received - first) / processor, each);
}
