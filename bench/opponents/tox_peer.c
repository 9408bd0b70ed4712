/* Tox through toxcore: round trips of messages, then bulk as a file, between two friends on the loopback.
 *
 *     tox_peer answer FOLDER SECONDS          tox_peer ask FOLDER SECONDS
 *
 * Each writes its keys and port into FOLDER and reads the other's. One JSON object on standard output, as measure.py.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <tox/tox.h>
#include <unistd.h>

enum { ECHO_BYTES = 64, ECHOES = 2000, ECHO_SECONDS = 2, LIMIT_SECONDS = 50 };

struct card {
    uint8_t key[TOX_PUBLIC_KEY_SIZE];
    uint8_t dht[TOX_PUBLIC_KEY_SIZE];
    uint16_t port;
};

static bool asks, online, done;
static double bulk_seconds, began_start, bulk_began, bulk_processor, echo_sent;
static uint64_t received;
static double echoes[ECHOES];
static int echo_count;
static uint8_t bytes[TOX_MAX_CUSTOM_PACKET_SIZE];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double processor(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void connection_changed(Tox *tox, uint32_t friend, TOX_CONNECTION state, void *context) {
    (void)tox, (void)friend, (void)context;
    online = state != TOX_CONNECTION_NONE;
}

static void message_came(Tox *tox, uint32_t friend, TOX_MESSAGE_TYPE type, const uint8_t *text, size_t length,
                         void *context) {
    (void)context;
    if (!asks) {
        tox_friend_send_message(tox, friend, type, text, length, NULL);
    } else if (echo_sent > 0) {
        if (echo_count < ECHOES) echoes[echo_count++] = now() - echo_sent;
        echo_sent = 0;
    }
}

static void file_came(Tox *tox, uint32_t friend, uint32_t file, uint32_t kind, uint64_t size, const uint8_t *name,
                      size_t length, void *context) {
    (void)kind, (void)size, (void)name, (void)length, (void)context;
    tox_file_control(tox, friend, file, TOX_FILE_CONTROL_RESUME, NULL);
    bulk_began = now();
    bulk_processor = processor();
}

static void chunk_came(Tox *tox, uint32_t friend, uint32_t file, uint64_t position, const uint8_t *data, size_t length,
                       void *context) {
    (void)tox, (void)friend, (void)file, (void)position, (void)data, (void)context;
    received += length;
    if (length == 0) done = true;
}

static void chunk_wanted(Tox *tox, uint32_t friend, uint32_t file, uint64_t position, size_t length, void *context) {
    (void)context;
    bool over = now() - bulk_began >= bulk_seconds;
    tox_file_send_chunk(tox, friend, file, position, bytes, over ? 0 : length, NULL);
    if (over) done = true;
}

static int ascending(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void tell(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"seconds\":%f,\"cpu_s\":%f,\"memory_mb\":%f", now() - bulk_began, processor() - bulk_processor,
           (double)used.ru_maxrss * 1024 / 1e6);
    if (asks && echo_count > 0) {
        qsort(echoes, (size_t)echo_count, sizeof echoes[0], ascending);
        printf(",\"connect_ms\":%f,\"rtt_us_p50\":%f,\"rtt_us_p99\":%f,\"round_trips\":%d", began_start * 1e3,
               echoes[echo_count / 2] * 1e6, echoes[echo_count * 99 / 100] * 1e6, echo_count);
    }
    if (!asks) printf(",\"bytes\":%llu", (unsigned long long)received);
    printf("}\n");
    fflush(stdout);
}

static struct card exchange_cards(Tox *tox, const char *folder) {
    struct card own, other;
    char draft[512], path[512];
    tox_self_get_public_key(tox, own.key);
    tox_self_get_dht_id(tox, own.dht);
    own.port = tox_self_get_udp_port(tox, NULL);
    snprintf(draft, sizeof draft, "%s/%s.new", folder, asks ? "ask" : "answer");
    snprintf(path, sizeof path, "%s/%s", folder, asks ? "ask" : "answer");
    FILE *file = fopen(draft, "w");
    if (!file || fwrite(&own, sizeof own, 1, file) != 1 || fclose(file) != 0 || rename(draft, path) != 0) exit(1);
    snprintf(path, sizeof path, "%s/%s", folder, asks ? "answer" : "ask");
    while (access(path, R_OK) != 0) usleep(10000);
    file = fopen(path, "r");
    if (!file || fread(&other, sizeof other, 1, file) != 1) exit(1);
    fclose(file);
    return other;
}

static Tox *make(void) {
    struct Tox_Options *options = tox_options_new(NULL);
    tox_options_set_ipv6_enabled(options, false);
    tox_options_set_local_discovery_enabled(options, false);
    tox_options_set_start_port(options, asks ? 34100 : 34000);
    tox_options_set_end_port(options, asks ? 34199 : 34099);
    Tox *tox = tox_new(options, NULL);
    tox_options_free(options);
    if (!tox) exit(1);
    tox_callback_friend_connection_status(tox, connection_changed);
    tox_callback_friend_message(tox, message_came);
    tox_callback_file_recv(tox, file_came);
    tox_callback_file_recv_chunk(tox, chunk_came);
    tox_callback_file_chunk_request(tox, chunk_wanted);
    return tox;
}

/* The next step of who asks: messages one at a time, then the file. */
static void advance(Tox *tox, uint32_t friend) {
    static double echo_began;
    if (!online || bulk_began > 0) return;
    if (echo_began == 0) {
        echo_began = now();
        began_start = echo_began - began_start;
    }
    if (echo_sent > 0) return;
    if (echo_count < ECHOES && now() - echo_began < ECHO_SECONDS) {
        echo_sent = now();
        tox_friend_send_message(tox, friend, TOX_MESSAGE_TYPE_NORMAL, bytes, ECHO_BYTES, NULL);
        return;
    }
    bulk_began = now();
    bulk_processor = processor();
    tox_file_send(tox, friend, TOX_FILE_KIND_DATA, UINT64_MAX, NULL, (const uint8_t *)"bulk", 4, NULL);
}

int main(int count, char **arguments) {
    if (count != 4) return 64;
    asks = strcmp(arguments[1], "ask") == 0;
    bulk_seconds = atof(arguments[3]);
    memset(bytes, 'x', sizeof bytes);
    Tox *tox = make();
    struct card other = exchange_cards(tox, arguments[2]);
    double started = began_start = now();
    tox_bootstrap(tox, "127.0.0.1", other.port, other.dht, NULL);
    uint32_t friend = tox_friend_add_norequest(tox, other.key, NULL);
    while (!done && now() - started < LIMIT_SECONDS) {
        tox_iterate(tox, NULL);
        if (asks) advance(tox, friend);
        /* Its own interval (50 ms) would be what is measured. */
        usleep(online ? 100 : 2000);
    }
    if (!done) return 1;
    tell();
    for (int turn = 0; turn < 300; turn++) {
        tox_iterate(tox, NULL);
        usleep(1000);
    }
    tox_kill(tox);
    return 0;
}
