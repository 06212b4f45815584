/*
 * Starting, watching and ending the proxy under test. Not for talking to it: sql.c and wire.c do.
 * Invariant: a proxy never outlives the test that started it.
 */
#include "tests/e2e/support/proxy.h"

#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEPT_CONNINFOS = 4 };

/* What [pgturnstile] gets unless the test says otherwise. */
static const struct {
    const char *key, *value;
} defaults[] = {
    {"auth_type", "trust"},
    {"pool_mode", "transaction"},
    {"budget", "5"},
    /* A wait on a busy machine is no event that answers are expected to tell of. */
    {"query_wait_notify", "0"},
};

/* The proxy refuses to run as root, and the user it runs as instead may have no way into the build directory: then a copy is run. */
char *proxy_program(void)
{
    uid_t uid;
    gid_t gid;
    const char *path = getenv("PGTURNSTILE");
    if (path == NULL) path = "./pgturnstile";
    if (!process_unprivileged_user(&uid, &gid)) return text_format("%s", path);
    char *copy = text_format("%s/pgturnstile", run_directory());
    const char *argv[] = {"cp", path, copy, NULL};
    if (access(copy, F_OK) != 0) cr_assert_eq(process_run(argv, &(struct process_options){0}), 0, "no %s", path);
    return copy;
}

static bool has_key(const char *settings, const char *key)
{
    size_t size = strlen(key);
    for (const char *line = settings; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        if (strncmp(line, key, size) == 0 && strchr(" =", line[size]) != NULL) return true;
    }
    return false;
}

static char *make_base(const struct proxy *proxy)
{
    const struct postgres *postgres = proxy->options.postgres;
    char *fallback = text_format("* = host=%s port=%d", postgres->directory, postgres->port);
    char *text = text_format("[databases]\n%s\n\n[users]\n%s\n\n%s\n[pgturnstile]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"
                             "unix_socket_dir = %s\n",
                             proxy->options.databases != NULL ? proxy->options.databases : fallback,
                             proxy->options.users != NULL ? proxy->options.users : "",
                             proxy->options.classes != NULL ? proxy->options.classes : "", proxy->port, proxy->directory);
    free(fallback);
    if (proxy->options.auth_file != NULL) {
        char *path = text_format("%s/userlist.txt", proxy->directory);
        char *longer = text_format("%sauth_file = %s\n", text, path);
        file_write(path, proxy->options.auth_file);
        process_hand_over(path);
        free(path);
        free(text);
        text = longer;
    }
    return text;
}

static void write_config(const struct proxy *proxy, const char *settings)
{
    char *text = text_format("%s%s\n", proxy->base, settings != NULL ? settings : "");
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        if (settings != NULL && has_key(settings, defaults[i].key)) continue;
        char *longer = text_format("%s%s = %s\n", text, defaults[i].key, defaults[i].value);
        free(text);
        text = longer;
    }
    file_write(proxy->config_path, text);
    process_hand_over(proxy->config_path);
    free(text);
}

static bool accepts_connections(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_accepted = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return is_accepted;
}

static void launch(struct proxy *proxy)
{
    char *path = proxy_program();
    const char *argv[] = {path, proxy->config_path, NULL};
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = proxy->log_path};
    /* A sanitizer's quarantine of freed memory would hide whether memory is bounded. */
    setenv("ASAN_OPTIONS", "quarantine_size_mb=4:detect_leaks=1", 0);
    proxy->pid = process_start(argv, &options);
    int64_t deadline_ms = now_ms() + LONG_MS;
    while (!accepts_connections(proxy->port)) {
        if (!proxy_is_running(proxy)) cr_assert_fail("%s ended at once:\n%s", path, file_read(proxy->log_path));
        nap_or_fail(deadline_ms, "the proxy accepts connections", __FILE__, __LINE__);
    }
    free(path);
    /* The kernel accepts before the program does; once it has answered something it also listens to signals. */
    wire_settle(proxy->port);
}

struct proxy *proxy_start_with(const struct proxy_options *options)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    proxy->options = *options;
    if (options->postgres == NULL) proxy->options.postgres = postgres_shared();
    proxy->port = process_free_port();
    proxy->directory = run_directory_short();
    proxy->config_path = text_format("%s/pgturnstile.ini", proxy->directory);
    proxy->log_path = run_directory_file("proxy.log");
    cr_assert(mkdir(proxy->directory, 0755) == 0);
    process_hand_over(proxy->directory);
    proxy->base = make_base(proxy);
    write_config(proxy, options->settings);
    /* What the proxy of a test that failed has left must be gone before this one counts its own. */
    if (options->postgres == NULL) {
        backends_terminate();
        WAIT_FOR(backends_count() == 0, LONG_MS);
    }
    launch(proxy);
    return proxy;
}

struct proxy *proxy_start(const char *settings_format, ...)
{
    va_list arguments;
    char *settings = NULL;
    va_start(arguments, settings_format);
    cr_assert(vasprintf(&settings, settings_format, arguments) >= 0);
    va_end(arguments);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.settings = settings});
    proxy->options.settings = NULL;
    free(settings);
    return proxy;
}

struct proxy *proxy_take_over(const struct proxy *older)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    proxy->options = older->options;
    proxy->port = older->port;
    proxy->directory = text_format("%s", older->directory);
    proxy->config_path = text_format("%s", older->config_path);
    proxy->base = text_format("%s", older->base);
    proxy->log_path = run_directory_file("proxy.log");
    char *path = proxy_program();
    const char *argv[] = {path, "-R", proxy->config_path, NULL};
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = proxy->log_path};
    proxy->pid = process_start(argv, &options);
    free(path);
    int64_t deadline_ms = now_ms() + LONG_MS;
    /* Until the older has heard of it, both accept new clients. */
    while (proxy_log_count(proxy, " restart_took_over ") == 0 || proxy_log_count(older, " restart_handed_over ") == 0) {
        if (!proxy_is_running(proxy)) cr_assert_fail("-R ended at once:\n%s", file_read(proxy->log_path));
        nap_or_fail(deadline_ms, "the younger takes over", __FILE__, __LINE__);
    }
    return proxy;
}

int proxy_run_refused(const char *config, char **output_out)
{
    char *path = run_directory_file("refused.ini");
    char *log = run_directory_file("refused.log");
    int status = 0;
    file_write(path, config);
    process_hand_over(path);
    char *binary = proxy_program();
    const char *argv[] = {binary, path, NULL};
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = log};
    pid_t pid = process_start(argv, &options);
    cr_assert(process_wait(pid, LONG_MS, &status), "runs with a configuration that should be refused");
    *output_out = file_read(log);
    free(binary);
    free(log);
    free(path);
    return status;
}

int proxy_stop(struct proxy *proxy, int signal, int timeout_ms)
{
    int status = 0;
    cr_assert(proxy->pid > 0, "the proxy does not run");
    cr_assert(kill(proxy->pid, signal) == 0);
    cr_assert(process_wait(proxy->pid, timeout_ms, &status), "still runs %d ms after signal %d", timeout_ms, signal);
    proxy->pid = 0;
    return status;
}

void proxy_finish(struct proxy **proxy)
{
    if (*proxy == NULL) return;
    if ((*proxy)->pid > 0) {
        cr_assert(proxy_is_running(*proxy), "the proxy has died");
        int status = proxy_stop(*proxy, SIGQUIT, LONG_MS);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the proxy ended with wait status 0x%x", status);
    }
    free((*proxy)->base);
    free((*proxy)->log_path);
    free((*proxy)->config_path);
    free((*proxy)->directory);
    free(*proxy);
    *proxy = NULL;
}

void proxy_reload(struct proxy *proxy, const char *settings)
{
    write_config(proxy, settings);
    cr_assert(kill(proxy->pid, SIGHUP) == 0);
}

void proxy_reconfigure(struct proxy *proxy, const char *settings)
{
    int before = proxy_log_count(proxy, " config_reloaded");
    proxy_reload(proxy, settings);
    WAIT_FOR(proxy_log_count(proxy, " config_reloaded") > before, LONG_MS);
}

void proxy_reload_raw(struct proxy *proxy, const char *config)
{
    file_write(proxy->config_path, config);
    cr_assert(kill(proxy->pid, SIGHUP) == 0);
}

const char *proxy_conninfo(const struct proxy *proxy, const char *more)
{
    static _Thread_local char kept[KEPT_CONNINFOS][512];
    static _Thread_local unsigned next;
    char *text = kept[next++ % KEPT_CONNINFOS];
    /* In libpq a later key wins over an earlier one. */
    snprintf(text, sizeof kept[0], "host=127.0.0.1 port=%d user=app dbname=app connect_timeout=60 sslmode=disable %s", proxy->port,
             more != NULL ? more : "");
    return text;
}

bool proxy_is_running(struct proxy *proxy)
{
    int status;
    if (proxy->pid > 0 && process_wait(proxy->pid, 0, &status)) proxy->pid = 0;
    return proxy->pid > 0;
}

char *proxy_log(const struct proxy *proxy)
{
    return file_read(proxy->log_path);
}

int proxy_log_count(const struct proxy *proxy, const char *needle)
{
    return file_count(proxy->log_path, needle);
}

static long status_kib(const struct proxy *proxy, const char *field)
{
    char *path = text_format("/proc/%d/status", (int)proxy->pid);
    char *text = file_read(path);
    const char *at = strstr(text, field);
    long value = at != NULL ? atol(at + strlen(field)) : -1;
    free(text);
    free(path);
    return value;
}

long proxy_rss_kib(const struct proxy *proxy)
{
    return status_kib(proxy, "VmRSS:");
}

long proxy_peak_rss_kib(const struct proxy *proxy)
{
    return status_kib(proxy, "VmHWM:");
}

void proxy_reset_peak(const struct proxy *proxy)
{
    char *path = text_format("/proc/%d/clear_refs", (int)proxy->pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    /* Where the kernel does not offer it the peak stays the one since the start. */
    ssize_t written = fd >= 0 ? write(fd, "5", 1) : 0;
    (void)written;
    if (fd >= 0) close(fd);
    free(path);
}

int proxy_fd_count(const struct proxy *proxy)
{
    char *path = text_format("/proc/%d/fd", (int)proxy->pid);
    DIR *directory = opendir(path);
    int count = -2; /* "." and ".." */
    cr_assert(directory != NULL, "%s", path);
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    free(path);
    return count;
}
