/* pgturnstile top: asks the console, draws, waits, until it is interrupted. How a screen looks is in top_view.c. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "proxy/admin_client.h"
#include "proxy/admin_options.h"
#include "proxy/clock.h"
#include "proxy/commands.h"
#include "proxy/top_view.h"

static const char help[] = "Usage: pgturnstile top [OPTION]...\n\n"
                           "Shows the budget, classes, pools, queues and leases of a running pgturnstile, once a second.\n"
                           "Without a terminal it prints once. Ctrl-C ends it.\n\n"
                           "  -n, --interval=S   seconds between two screens (default: 1)\n"
                           "  -1, --once         print once and exit\n" ADMIN_OPTIONS_HELP;

enum { WIDTH_WITHOUT_TERMINAL = 160 };

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int number)
{
    (void)number;
    is_interrupted = 1;
}

/* False: the connection is gone. */
static bool take_snapshot(struct admin_client *client, struct top_snapshot *snapshot, struct error *error)
{
    *snapshot = (struct top_snapshot){.config = admin_client_show(client, "CONFIG", error)};
    if (admin_client_is_alive(client)) snapshot->pools = admin_client_show(client, "POOLS", error);
    if (admin_client_is_alive(client)) snapshot->classes = admin_client_show(client, "CLASSES", error);
    if (admin_client_is_alive(client)) snapshot->leases = admin_client_show(client, "LEASES", error);
    if (admin_client_is_alive(client)) snapshot->waiting = admin_client_show(client, "WAITING", error);
    if (admin_client_is_alive(client)) snapshot->stats = admin_client_show(client, "STATS", error);
    return admin_client_is_alive(client);
}

static void measure_screen(struct top_screen *screen)
{
    struct winsize size;
    screen->columns = WIDTH_WITHOUT_TERMINAL;
    screen->lines = 0;
    if (!screen->is_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return;
    screen->columns = size.ws_col;
    screen->lines = size.ws_row > 1 ? size.ws_row - 1u : 1u; /* the cursor stands on the last one */
}

/* In one write, so that it does not flicker. */
static void draw(struct top_screen *screen, const struct top_snapshot *now, const struct top_snapshot *before, double seconds)
{
    char clock[sizeof "00:00:00"], *text = NULL;
    size_t size = 0;
    struct tm local;
    time_t wall = time(NULL);
    localtime_r(&wall, &local);
    strftime(clock, sizeof clock, "%H:%M:%S", &local);
    screen->time = clock;
    measure_screen(screen);
    FILE *out = open_memstream(&text, &size);
    if (!out) return;
    if (screen->is_terminal) fputs("\033[H\033[2J", out);
    top_view_print(screen, now, before, seconds, out);
    fclose(out);
    fwrite(text, 1, size, stdout);
    fflush(stdout);
    free(text);
}

static void pause_for(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (!is_interrupted && nanosleep(&left, &left) != 0) continue;
}

static int watch(struct admin_client *client, struct top_screen *screen, double interval_s)
{
    struct top_snapshot before = {0}, now;
    struct error error = {.text = ""};
    int64_t before_us = 0;
    bool is_alive = true;
    while (!is_interrupted && (is_alive = take_snapshot(client, &now, &error))) {
        int64_t now_us = clock_now_us();
        top_snapshot_sort(&now);
        draw(screen, &now, before_us > 0 ? &before : NULL, (double)(now_us - before_us) / 1e6);
        top_snapshot_free(&before);
        before = now;
        before_us = now_us;
        now = (struct top_snapshot){0};
        if (interval_s <= 0) break;
        pause_for(interval_s);
    }
    if (!is_alive) top_snapshot_free(&now);
    top_snapshot_free(&before);
    if (is_alive) return 0;
    fprintf(stderr, "pgturnstile top: %s\n", error.text);
    return 1;
}

int cmd_top(int argc, char **argv)
{
    struct admin_options options;
    if (!admin_options_parse(argc, argv, &options) || options.argument_count > 0) {
        fputs(help, stderr);
        return 2;
    }
    if (options.is_help) {
        fputs(help, stdout);
        return 0;
    }
    struct error error;
    struct admin_client *client = admin_client_open(&options.target, &error);
    if (!client) {
        fprintf(stderr, "pgturnstile top: %s\n", error.text);
        return 1;
    }
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &interrupt, NULL);
    struct top_screen screen = {.peer = admin_client_peer(client), .is_terminal = isatty(STDOUT_FILENO) != 0};
    bool is_once = options.is_once || !screen.is_terminal;
    int status = watch(client, &screen, is_once ? 0 : options.interval_s);
    admin_client_close(&client);
    return status;
}
