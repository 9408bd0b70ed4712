// The least that a server of SIGNAL frames can do, to see how far sotto-signal is from it: an epoll loop (or several) that reads, takes the mask off, finds the
// receiver and sends. It checks no login, has no limits, no queues and no accounts, copies nothing, and ends when a frame comes in pieces or a socket is full.
//   gcc -O2 epoll_router.c -o epoll_router -lpthread && ./epoll_router PORT LOOPS
//   sotto-signal-load ws://127.0.0.1:PORT --server-pid PID --connections 1000
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTP, CHALLENGED, ONLINE };
enum { TABLE = 65536, KEY = 32, CHALLENGE = 1, AUTH = 2, WELCOME = 3, SIGNAL = 4 };

struct peer {
    int socket, state;
    unsigned char key[KEY];
};

static struct peer *volatile table[TABLE];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned slot(const unsigned char *key) {
    uint32_t word;
    memcpy(&word, key, sizeof word);
    return (word * 2654435761u) >> 16;
}

static void add(struct peer *peer) {
    pthread_mutex_lock(&lock);
    unsigned i = slot(peer->key);
    while (table[i]) i = (i + 1) % TABLE;
    table[i] = peer;
    pthread_mutex_unlock(&lock);
}

static struct peer *find(const unsigned char *key) {
    for (unsigned i = slot(key); table[i]; i = (i + 1) % TABLE)
        if (!memcmp(table[i]->key, key, KEY)) return table[i];
    return NULL;
}

static void give_up(const char *why) {
    fprintf(stderr, "epoll_router: %s\n", why);
    exit(1);
}

static void transmit(int socket, const void *bytes, size_t count) {
    ssize_t sent = send(socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) exit(0);  // the load is over
    if (sent != (ssize_t)count) give_up("a socket is full");
}

static void upgrade(struct peer *peer) {
    unsigned char reply[160];
    int count = sprintf((char *)reply, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    unsigned char challenge[2 + 42] = {0x82, 42, CHALLENGE};  // nonce, time and an empty name
    memcpy(reply + count, challenge, sizeof challenge);
    transmit(peer->socket, reply, count + sizeof challenge);
    peer->state = CHALLENGED;
}

// Takes the mask off, and handles the message. `message` has four bytes in front of it, which a server's header may take.
static void handle(struct peer *peer, unsigned char *message, size_t count) {
    uint64_t mask;
    memcpy(&mask, message - 4, 4);
    memcpy((char *)&mask + 4, message - 4, 4);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t word;
        memcpy(&word, message + i, 8);
        word ^= mask;
        memcpy(message + i, &word, 8);
    }
    for (; i < count; i++) message[i] ^= message[(int)(i & 3) - 4];
    if (message[0] == AUTH && peer->state == CHALLENGED) {
        memcpy(peer->key, message + 1, KEY);
        add(peer);
        peer->state = ONLINE;
        unsigned char welcome[2 + KEY] = {0x82, KEY, WELCOME};
        transmit(peer->socket, welcome, sizeof welcome);
    } else if (message[0] == SIGNAL) {
        struct peer *receiver = find(message + 1);
        if (!receiver) return;
        memcpy(message + 1, peer->key, KEY);
        unsigned char *frame = message - 4;
        frame[0] = 0x82;
        frame[1] = 126;
        frame[2] = count >> 8;
        frame[3] = count;
        transmit(receiver->socket, frame, count + 4);
    }
}

static void *run(void *argument) {
    static __thread unsigned char bytes[128 * 1024];
    struct epoll_event events[256];
    int poll = *(int *)argument;
    for (;;) {
        int count = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            ssize_t left = read(peer->socket, bytes, sizeof bytes);
            if (left <= 0) exit(0);  // the load is over
            if (peer->state == HTTP) {
                upgrade(peer);
                continue;
            }
            for (unsigned char *at = bytes; left > 0;) {
                size_t length = at[1] & 127, header = 6;
                if (length == 126) length = at[2] << 8 | at[3], header = 8;
                if ((size_t)left < header + length) give_up("a frame came in pieces");
                handle(peer, at + header, length);
                at += header + length;
                left -= header + length;
            }
        }
    }
}

int main(int count, char **arguments) {
    if (count != 3) give_up("PORT LOOPS");
    int loops = atoi(arguments[2]), polls[64], one = 1;
    if (loops < 1 || loops > 64) give_up("LOOPS: 1 to 64");
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) give_up("the port is taken");
    for (int i = 0; i < loops; i++) {
        pthread_t thread;
        polls[i] = epoll_create1(0);
        pthread_create(&thread, NULL, run, &polls[i]);
    }
    for (int i = 0;; i++) {
        int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (socket < 0) give_up("no more connections");
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct peer *peer = calloc(1, sizeof *peer);
        peer->socket = socket;
        struct epoll_event event = {EPOLLIN, {.ptr = peer}};
        epoll_ctl(polls[i % loops], EPOLL_CTL_ADD, socket, &event);
    }
}
