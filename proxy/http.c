/*
 * HTTP by libmicrohttpd: listening, who may ask, methods, headers. Not for: what the pages say.
 *
 * At its own limit libmicrohttpd would leave newcomers in the backlog until somebody's timeout, so a few dozen connections that never ask anything would keep
 * health checks out. Below that limit we have ours, at which the guest that has not asked for longest is let go: whoever asks at once is always answered.
 */
#include "proxy/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "proxy/inherited.h"
#include "proxy/memory.h"
#include "proxy/unix_socket.h"

/* Guests who were let go count as connections until libmicrohttpd has seen it. */
enum { GUESTS_MAX = 64, CONNECTIONS_MAX = GUESTS_MAX + 16, CONNECTION_TIMEOUT_SECONDS = 30, BACKLOG = 64 };

struct guest { /* a connection; on libmicrohttpd's thread only */
    struct guest *next, *previous;
    int fd;
    bool was_let_go; /* it is in no list any more */
};

struct http {
    struct MHD_Daemon *daemon; /* NULL: it does not run yet */
    int fd;
    atomic_bool is_left;
    http_answer *answer;
    void *context;
    bool allows_remote;
    char *unix_path;      /* the file to remove; NULL: none */
    struct guest *guests; /* who has not asked for longest comes first */
    unsigned guest_count;
};

/* ---- who may ask ---- */

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* "[::1]:9630", "127.0.0.1:9630", "localhost". */
static bool is_local_host(const char *host)
{
    char name[INET6_ADDRSTRLEN + 2];
    size_t size = *host == '[' ? strcspn(++host, "]") : strcspn(host, ":");
    if (size >= sizeof name) return false;
    memcpy(name, host, size);
    name[size] = '\0';
    unsigned char address[sizeof(struct in6_addr)];
    return strcmp(name, "localhost") == 0 || inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* ---- guests ---- */

static void let_go(struct http *http, struct guest *guest)
{
    DL_DELETE2(http->guests, guest, previous, next);
    http->guest_count--;
    guest->was_let_go = true;
    shutdown(guest->fd, SHUT_RDWR); /* libmicrohttpd finds the end, and closes */
}

static void welcome(struct http *http, struct MHD_Connection *connection, void **guest_out)
{
    struct guest *guest = memory_zalloc(sizeof *guest);
    guest->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    DL_APPEND2(http->guests, guest, previous, next);
    if (++http->guest_count > GUESTS_MAX) let_go(http, http->guests);
    *guest_out = guest;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    struct guest *guest = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        welcome(http, connection, socket_context);
        return;
    }
    if (!guest->was_let_go) {
        DL_DELETE2(http->guests, guest, previous, next);
        http->guest_count--;
    }
    free(guest);
    *socket_context = NULL;
}

/* Its header is whole: it comes last among those to be let go. */
static void guest_has_asked(struct http *http, struct MHD_Connection *connection)
{
    struct guest *guest = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (guest->was_let_go) return;
    DL_DELETE2(http->guests, guest, previous, next);
    DL_APPEND2(http->guests, guest, previous, next);
}

/* ---- requests ---- */

/* A "%00" would end the text early, and "/metrics%00.html" be "/metrics": with one, the escapes are left as they are. */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

static const char *argument(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct http_reply *reply, bool is_last)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(reply->body ? reply->size : 0, reply->body,
                                                                    reply->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        free(reply->body);
        return MHD_NO;
    }
    if (reply->content_type) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
                            "frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    if (is_last) MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED) MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static void say(struct http_reply *reply, unsigned status, const char *text)
{
    reply->status = status;
    reply->content_type = "text/plain; charset=utf-8";
    reply->body = memory_strdup(text);
    reply->size = strlen(text);
}

static bool is_for_reading(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static bool brings_a_body(struct MHD_Connection *connection)
{
    const char *size = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return (size && strcmp(size, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/*
 * libmicrohttpd calls with the header, and again for what follows it. What is answered at once ends with its connection, its body unread: it may be endless, or never come. What
 * has none is answered at the second call, so that its connection can serve the next request.
 */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void)version, (void)upload, (void)upload_size;
    static char seen;
    struct http *http = context;
    if (!*state) {
        *state = &seen;
        guest_has_asked(http, connection);
        if (is_for_reading(method) && !brings_a_body(connection)) return MHD_YES;
    }
    struct http_reply reply = {0};
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    if (!is_for_reading(method)) {
        say(&reply, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are answered here\n");
    } else if (!http->allows_remote && host && !is_local_host(host)) {
        say(&reply, MHD_HTTP_FORBIDDEN, "ask by address or as localhost, or set http_allow_remote\n");
    } else {
        struct http_request request = {.path = url, .accept = accept ? accept : "", .argument = argument, .connection = connection};
        http->answer(http->context, &request, &reply);
        if (reply.status == 0) say(&reply, MHD_HTTP_NOT_FOUND, "no such page\n");
    }
    return send_reply(connection, &reply, http->is_left);
}

/* ---- listening ---- */

static int bind_to(const struct addrinfo *address, const struct http_options *options, struct error *error)
{
    int inherited = inherited_take(options->inherited, options->inherited_count, address->ai_addr);
    if (inherited >= 0) return inherited;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd >= 0 && bind(fd, address->ai_addr, address->ai_addrlen) == 0) return fd;
    error_set(error, "", "cannot listen on \"%s\": %s; check http_listen", options->listen, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

static int open_tcp(const struct http_options *options, struct error *error)
{
    char host[256];
    const char *colon = strrchr(options->listen, ':');
    size_t size = colon ? (size_t)(colon - options->listen) : 0;
    bool is_bracketed = size > 2 && options->listen[0] == '[' && options->listen[size - 1] == ']';
    if (is_bracketed) size -= 2;
    if (size == 0 || size >= sizeof host || !colon[1]) {
        error_set(error, "", "http_listen \"%s\" is neither ADDRESS:PORT nor the path of a Unix socket", options->listen);
        return -1;
    }
    memcpy(host, options->listen + is_bracketed, size);
    host[size] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    int failed = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, colon + 1, &hints, &found);
    if (failed) {
        error_set(error, "", "cannot listen on \"%s\": %s; check http_listen", options->listen, gai_strerror(failed));
        return -1;
    }
    int fd = -1;
    if (options->allows_remote || is_loopback(found->ai_addr))
        fd = bind_to(found, options, error);
    else
        error_set(error, "",
                  "http_listen \"%s\" can be reached from other hosts, and whoever reaches it sees your queries: use 127.0.0.1, or say "
                  "http_allow_remote = 1",
                  options->listen);
    freeaddrinfo(found);
    return fd;
}

static int open_unix(const struct http_options *options, bool *keeps_file_out, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(options->listen);
    if (size < sizeof address.sun_path) memcpy(address.sun_path, options->listen, size);
    int inherited = inherited_take(options->inherited, options->inherited_count, (const struct sockaddr *)&address);
    *keeps_file_out = inherited >= 0 && options->keeps_inherited_file;
    return inherited >= 0 ? inherited : unix_socket_bind(options->listen, options->unix_mode, "http_listen", error);
}

static int open_socket(const struct http_options *options, bool *keeps_file_out, struct error *error)
{
    bool is_unix = options->listen[0] == '/';
    *keeps_file_out = !is_unix;
    int fd = is_unix ? open_unix(options, keeps_file_out, error) : open_tcp(options, error);
    if (fd < 0 || listen(fd, BACKLOG) == 0) return fd;
    error_set(error, "", "cannot listen on \"%s\": %s; check http_listen", options->listen, strerror(errno));
    if (!*keeps_file_out) unlink(options->listen);
    close(fd);
    return -1;
}

struct http *http_open(const struct http_options *options, http_answer *answer, void *context, struct error *error)
{
    bool keeps_file;
    int fd = open_socket(options, &keeps_file, error);
    if (fd < 0) return NULL;
    struct http *http = memory_zalloc(sizeof *http);
    http->fd = fd;
    http->answer = answer;
    http->context = context;
    http->allows_remote = options->allows_remote || options->listen[0] == '/'; /* who may open the file is decided by its mode */
    if (!keeps_file) http->unix_path = memory_strdup(options->listen);
    return http;
}

int http_run(struct http *http, struct error *error)
{
    sigset_t all, before; /* signals are left to the main thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    http->daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET,
                                    http->fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                    (unsigned)CONNECTION_TIMEOUT_SECONDS, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                                    MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (http->daemon) return 0;
    error_set(error, "", "libmicrohttpd could not start; check http_listen");
    return -1;
}

int http_descriptor(const struct http *http)
{
    return http->fd;
}

void http_leave(struct http *http)
{
    http->is_left = true;
    if (http->daemon) MHD_quiesce_daemon(http->daemon);
}

void http_stop(struct http **http_pointer)
{
    struct http *http = *http_pointer;
    *http_pointer = NULL;
    if (!http) return;
    bool is_closed = http->daemon && !http->is_left; /* by libmicrohttpd, with its daemon */
    if (http->daemon) MHD_stop_daemon(http->daemon);
    if (!is_closed) close(http->fd);
    if (http->unix_path && !http->is_left) unlink(http->unix_path);
    free(http->unix_path);
    free(http);
}
