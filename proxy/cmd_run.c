/* pgturnstile CONFIG: the proxy itself. In which order things are done to become it; everything else is the worker's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/commands.h"
#include "proxy/log.h"
#include "proxy/options.h"
#include "proxy/pid_file.h"
#include "proxy/process.h"
#include "proxy/service_manager.h"
#include "proxy/takeover_channel.h"
#include "proxy/worker.h"

enum { OTHER_DESCRIPTORS = 64 };

static int fail(const struct error *error)
{
    fprintf(stderr, "pgturnstile: %s\n", error->text);
    return -1;
}

static struct config *load(const char *path)
{
    struct config_problems problems = {0};
    struct config *config = config_load(path, &problems);
    config_problems_print(&problems, stderr);
    config_problems_fini(&problems);
    return config;
}

/* A process in the background must be found again, and heard. */
static int check_daemon(const struct settings *settings, struct error *error)
{
    bool is_heard = *settings->logfile || settings->syslog || log_stderr_is_journal();
    const char *missing = !*settings->pidfile ? "pidfile" : !is_heard ? "logfile, or syslog = 1" : NULL;
    if (!missing) return 0;
    error_set(error, "", "to go into the background (-d), set %s", missing);
    return -1;
}

static int open_log(const struct settings *settings, const struct options *options, struct error *error)
{
    bool is_verbose = settings->verbose > 0 || options->verbosity > 0;
    struct log_options log = {.path = settings->logfile,
                              .is_quiet = options->is_quiet,
                              .lowest = is_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
                              .format = settings->log_format,
                              .uses_syslog = settings->syslog,
                              .syslog_ident = settings->syslog_ident,
                              .syslog_facility = (int)settings->syslog_facility};
    if (log_open(&log) == 0) return 0;
    error_set(error, "", "cannot write logfile \"%s\": %s", settings->logfile, strerror(errno));
    return -1;
}

static int take_pid_file(struct pid_file *file, const char *path, bool takes_over, struct error *error)
{
    return takes_over ? pid_file_take_over(file, path, error) : pid_file_take(file, path, error);
}

static void log_event(const char *event)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, event);
    log_text(&line, "version", PACKAGE_VERSION);
    log_number(&line, "pid", getpid());
    log_end(&line);
}

/* The log is open. Takes over the reference to `config`. */
static int serve(struct config *config, const struct options *options, const struct worker_options *how)
{
    struct error error;
    struct pid_file pid_file;
    struct worker *worker = NULL;
    /* Before the port, so that a second one hears of the first instead of "address in use". */
    if (!options->takes_over && take_pid_file(&pid_file, config->settings.pidfile, false, &error)) {
        config_unref(&config);
        return fail(&error);
    }
    config_ref(config);
    worker = worker_new(config, how, &error);
    int failed = worker ? 0 : fail(&error);
    if (!failed && options->takes_over && take_pid_file(&pid_file, config->settings.pidfile, true, &error)) failed = fail(&error);
    config_unref(&config);
    if (worker && !failed) {
        log_event("started");
        process_is_ready();
        worker_run(worker);
        log_event("ended");
    }
    if (!failed || !options->takes_over) pid_file_leave(&pid_file);
    if (worker && !worker_free(&worker)) _exit(failed ? 1 : 0);
    return failed;
}

static int run(const struct options *options)
{
    struct error error;
    int first_socket;
    size_t sockets = service_manager_sockets(&first_socket);
    struct config *config = load(options->config);
    if (!config) return -1;
    struct settings *settings = &config->settings;
    if (options->user) settings->user = options->user;
    bool is_failed = process_leave_root(settings->user, &error) || (options->is_daemon && check_daemon(settings, &error)) ||
                     (options->is_daemon && process_go_to_background(&error)) || open_log(settings, options, &error);
    if (is_failed) {
        config_unref(&config);
        return fail(&error);
    }
    process_raise_descriptor_limit((uint64_t)settings->max_client_conn + (uint64_t)settings->budget + OTHER_DESCRIPTORS);
    int inherited[TAKEOVER_SOCKETS_MAX];
    if (sockets > sizeof inherited / sizeof *inherited) sockets = sizeof inherited / sizeof *inherited;
    for (size_t i = 0; i < sockets; i++) inherited[i] = first_socket + (int)i;
    return serve(config, options,
                 &(struct worker_options){.sockets = inherited,
                                          .socket_count = options->takes_over ? 0 : sockets,
                                          .takes_over = options->takes_over,
                                          .is_verbose = options->verbosity > 0});
}

int cmd_run(int argc, char **argv)
{
    struct options options;
    switch (options_parse(argc, argv, &options)) {
    case OPTIONS_HELP: commands_print_help(stdout); return 0;
    case OPTIONS_VERSION: puts("pgturnstile " PACKAGE_VERSION); return 0;
    case OPTIONS_BAD: commands_print_help(stderr); return 2;
    case OPTIONS_RUN: break;
    }
    return run(&options) ? 1 : 0;
}
