#include "sotto_nice.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <unistd.h>

void sotto_nice_agent_connect(NiceAgent *agent, const SottoNiceHandlers *handlers, uintptr_t id) {
    gpointer data = (gpointer)id;
    g_signal_connect(agent, "new-candidate-full", G_CALLBACK(handlers->new_candidate), data);
    g_signal_connect(agent, "new-remote-candidate-full", G_CALLBACK(handlers->new_remote_candidate), data);
    g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(handlers->gathering_done), data);
    g_signal_connect(agent, "new-selected-pair-full", G_CALLBACK(handlers->new_selected_pair), data);
    g_signal_connect(agent, "component-state-changed", G_CALLBACK(handlers->state_changed), data);
}

void sotto_nice_agent_disconnect(NiceAgent *agent, uintptr_t id) {
    g_signal_handlers_disconnect_by_data(agent, (gpointer)id);
}

void sotto_nice_agent_set_bool(NiceAgent *agent, const char *property, bool value) {
    g_object_set(agent, property, value ? TRUE : FALSE, NULL);
}

void sotto_nice_agent_set_uint(NiceAgent *agent, const char *property, guint value) {
    g_object_set(agent, property, value, NULL);
}

void sotto_nice_agent_set_string(NiceAgent *agent, const char *property, const char *value) {
    g_object_set(agent, property, value, NULL);
}

void sotto_nice_agent_unref(NiceAgent *agent) {
    g_object_unref(agent);
}

int sotto_nice_agent_dup_selected_socket(NiceAgent *agent, guint stream, guint component) {
    // The reference is ours: libnice's documentation says nothing of it, its source takes one.
    GSocket *socket = nice_agent_get_selected_socket(agent, stream, component);
    if (socket == NULL)
        return -1;
    int fd = fcntl(g_socket_get_fd(socket), F_DUPFD_CLOEXEC, 3);
    g_object_unref(socket);
    return fd;
}

static void drop_message(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data) {
    (void)domain, (void)level, (void)message, (void)data;
}

void sotto_nice_silence_warnings(void) {
    static const char *const domains[] = {"libnice", "libnice-socket", "libnice-stun", "libnice-random"};
    GLogLevelFlags levels = G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG;
    for (size_t i = 0; i < G_N_ELEMENTS(domains); i++)
        g_log_set_handler(domains[i], levels, drop_message, NULL);
}
