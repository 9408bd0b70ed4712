#pragma once

// The core library of ngtcp2 0.12.1. Its entry points are macros over versioned functions, which Swift cannot see: the
// functions below are the same calls as static inline functions, and nothing else. Names: sotto_ + ngtcp2's name.

#include <malloc.h>
#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "congestion.h"

// Memory for ngtcp2 that is wiped when it is freed: ngtcp2 keeps copies of traffic secrets and decrypted packets, and
// frees them as they are.
static inline void *sotto_wiping_malloc(size_t size, void *user_data) {
    (void)user_data;
    return malloc(size);
}

static inline void sotto_wiping_free(void *memory, void *user_data) {
    (void)user_data;
    if (memory == NULL) return;
    explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static inline void *sotto_wiping_calloc(size_t count, size_t size, void *user_data) {
    (void)user_data;
    return calloc(count, size);
}

static inline void *sotto_wiping_realloc(void *memory, size_t size, void *user_data) {
    void *fresh = malloc(size);
    if (fresh == NULL) return NULL;
    if (memory != NULL) {
        size_t held = malloc_usable_size(memory);
        memcpy(fresh, memory, held < size ? held : size);
        sotto_wiping_free(memory, user_data);
    }
    return fresh;
}

// Every source file that asks gets an object of its own.
static inline const ngtcp2_mem *sotto_wiping_mem(void) {
    static const ngtcp2_mem memory = {NULL, sotto_wiping_malloc, sotto_wiping_free, sotto_wiping_calloc,
                                      sotto_wiping_realloc};
    return &memory;
}

// The one path that QUIC ever sees. Which real path carries a packet is decided below QUIC, so both ends give every
// connection the same two made-up addresses.
typedef struct sotto_quic_path {
    struct sockaddr_in local;
    struct sockaddr_in remote;
    ngtcp2_path path;
} sotto_quic_path;

static inline void sotto_quic_path_init(sotto_quic_path *storage) {
    memset(storage, 0, sizeof *storage);
    storage->local.sin_family = AF_INET;
    storage->local.sin_port = 1;
    storage->local.sin_addr.s_addr = 1;
    storage->remote.sin_family = AF_INET;
    storage->remote.sin_port = 2;
    storage->remote.sin_addr.s_addr = 2;
    storage->path.local.addr = (ngtcp2_sockaddr *)&storage->local;
    storage->path.local.addrlen = sizeof storage->local;
    storage->path.remote.addr = (ngtcp2_sockaddr *)&storage->remote;
    storage->path.remote.addrlen = sizeof storage->remote;
}

static inline void sotto_ngtcp2_settings_default(ngtcp2_settings *settings) { ngtcp2_settings_default(settings); }

static inline void sotto_ngtcp2_transport_params_default(ngtcp2_transport_params *params) {
    ngtcp2_transport_params_default(params);
}

static inline ngtcp2_ssize sotto_ngtcp2_encode_transport_params(uint8_t *destination, size_t length, int from_client,
                                                                const ngtcp2_transport_params *params) {
    return ngtcp2_encode_transport_params(destination, length,
                                          from_client ? NGTCP2_TRANSPORT_PARAMS_TYPE_CLIENT_HELLO
                                                      : NGTCP2_TRANSPORT_PARAMS_TYPE_ENCRYPTED_EXTENSIONS,
                                          params);
}

static inline int sotto_ngtcp2_decode_transport_params(ngtcp2_transport_params *params, int from_client,
                                                       const uint8_t *data, size_t length) {
    return ngtcp2_decode_transport_params(params,
                                          from_client ? NGTCP2_TRANSPORT_PARAMS_TYPE_CLIENT_HELLO
                                                      : NGTCP2_TRANSPORT_PARAMS_TYPE_ENCRYPTED_EXTENSIONS,
                                          data, length);
}

static inline int sotto_ngtcp2_conn_client_new(ngtcp2_conn **conn, const ngtcp2_cid *dcid, const ngtcp2_cid *scid,
                                               const ngtcp2_path *path, const ngtcp2_callbacks *callbacks,
                                               const ngtcp2_settings *settings, const ngtcp2_transport_params *params,
                                               const ngtcp2_mem *memory, void *user_data) {
    return ngtcp2_conn_client_new(conn, dcid, scid, path, NGTCP2_PROTO_VER_V1, callbacks, settings, params,
                                  memory, user_data);
}

static inline int sotto_ngtcp2_conn_server_new(ngtcp2_conn **conn, const ngtcp2_cid *dcid, const ngtcp2_cid *scid,
                                               const ngtcp2_path *path, const ngtcp2_callbacks *callbacks,
                                               const ngtcp2_settings *settings, const ngtcp2_transport_params *params,
                                               const ngtcp2_mem *memory, void *user_data) {
    return ngtcp2_conn_server_new(conn, dcid, scid, path, NGTCP2_PROTO_VER_V1, callbacks, settings, params,
                                  memory, user_data);
}

static inline int sotto_ngtcp2_conn_read_pkt(ngtcp2_conn *conn, const ngtcp2_path *path, const uint8_t *packet,
                                             size_t length, ngtcp2_tstamp now) {
    ngtcp2_pkt_info info;
    memset(&info, 0, sizeof info);
    return ngtcp2_conn_read_pkt(conn, path, &info, packet, length, now);
}

static inline ngtcp2_ssize sotto_ngtcp2_conn_writev_stream(ngtcp2_conn *conn, uint8_t *destination, size_t length,
                                                           ngtcp2_ssize *accepted, uint32_t flags, int64_t stream,
                                                           const ngtcp2_vec *data, size_t count, ngtcp2_tstamp now) {
    return ngtcp2_conn_writev_stream(conn, NULL, NULL, destination, length, accepted, flags, stream, data, count, now);
}

static inline ngtcp2_ssize sotto_ngtcp2_conn_writev_datagram(ngtcp2_conn *conn, uint8_t *destination, size_t length,
                                                             int *accepted, uint32_t flags, const ngtcp2_vec *data,
                                                             size_t count, ngtcp2_tstamp now) {
    return ngtcp2_conn_writev_datagram(conn, NULL, NULL, destination, length, accepted, flags, 0, data, count, now);
}

static inline ngtcp2_ssize sotto_ngtcp2_conn_write_connection_close(ngtcp2_conn *conn, uint8_t *destination,
                                                                    size_t length,
                                                                    const ngtcp2_connection_close_error *error,
                                                                    ngtcp2_tstamp now) {
    return ngtcp2_conn_write_connection_close(conn, NULL, NULL, destination, length, error, now);
}

static inline void sotto_ngtcp2_conn_get_conn_stat(ngtcp2_conn *conn, ngtcp2_conn_stat *statistics) {
    ngtcp2_conn_get_conn_stat(conn, statistics);
}
