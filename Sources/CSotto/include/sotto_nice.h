// GObject macros and variadic functions, as functions, for the agents of libnice.
#pragma once

#include <nice/agent.h>
#include <stdbool.h>
#include <stdint.h>

// The signals of an agent that Sotto hears. `id` is the number given to sotto_nice_agent_connect, carried as a pointer.
typedef struct {
    void (*_Nonnull new_candidate)(NiceAgent *_Nonnull agent, NiceCandidate *_Nonnull candidate, void *_Nullable id);
    void (*_Nonnull new_remote_candidate)(
        NiceAgent *_Nonnull agent, NiceCandidate *_Nonnull candidate, void *_Nullable id);
    void (*_Nonnull gathering_done)(NiceAgent *_Nonnull agent, guint stream, void *_Nullable id);
    void (*_Nonnull new_selected_pair)(
        NiceAgent *_Nonnull agent, guint stream, guint component, NiceCandidate *_Nonnull local,
        NiceCandidate *_Nonnull remote, void *_Nullable id);
    void (*_Nonnull state_changed)(
        NiceAgent *_Nonnull agent, guint stream, guint component, guint state, void *_Nullable id);
} SottoNiceHandlers;

// Connects every handler. The structure is copied.
void sotto_nice_agent_connect(NiceAgent *_Nonnull agent, const SottoNiceHandlers *_Nonnull handlers, uintptr_t id);

// Disconnects what sotto_nice_agent_connect connected with this id.
void sotto_nice_agent_disconnect(NiceAgent *_Nonnull agent, uintptr_t id);

void sotto_nice_agent_set_bool(NiceAgent *_Nonnull agent, const char *_Nonnull property, bool value);
void sotto_nice_agent_set_uint(NiceAgent *_Nonnull agent, const char *_Nonnull property, guint value);
void sotto_nice_agent_set_string(NiceAgent *_Nonnull agent, const char *_Nonnull property, const char *_Nonnull value);

void sotto_nice_agent_unref(NiceAgent *_Nonnull agent);

// A new descriptor (close-on-exec) of the socket that carries the selected pair, or -1: no pair, a relayed local
// candidate, or no descriptor left.
int sotto_nice_agent_dup_selected_socket(NiceAgent *_Nonnull agent, guint stream, guint component);

// Keeps what libnice warns about off standard error: a remote peer decides how much of it there is. Criticals stay.
void sotto_nice_silence_warnings(void);
