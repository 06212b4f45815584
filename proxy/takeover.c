/*
 * The restart, both sides of it. One process can be the younger of one and then, when that one is gone, the older of another; a restart while another
 * one is under way is refused.
 *
 *   as the older:    nobody --accept--> asked --READY--> over (for good)
 *                       ^-----gone-------+
 *   as the younger:  none --takeover_begin--> sharing --the older is gone--> none
 */
#include "proxy/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/log.h"
#include "proxy/memory.h"

enum { PATIENCE_S = 10, PEAK_TICKS = 10, DECISION_TICKS = 10 };
static const double TICK_SECONDS = 0.1;

struct takeover {
    struct ev_loop *loop;
    struct takeover_host host;
    ev_timer tick; /* runs while there is another process */
    /* What we could have used in each of the last ticks: the peak of them counts. */
    uint32_t demands[PEAK_TICKS];
    unsigned ticks, ticks_decided; /* now, and at the last decision; 0: none yet */
    /* As the older. */
    ev_io listener, younger; /* fd -1: none */
    ev_io latecomer;         /* asks while there is a younger; the last one that does */
    char *path;
    struct stat file; /* at `path`, once it is published */
    bool is_activated, is_over;
    uint32_t allowed;
    struct takeover_message reported;
    /* As the younger. */
    ev_io older;
    struct budget_share share;
    struct budget_side older_side;
    int64_t forget_after_us;
    unsigned forget_ticks; /* the older is gone without a word: its connections are counted for this much longer */
};

/* ---- both ---- */

static void measure(struct takeover *takeover, struct budget_side *side_out)
{
    takeover->host.measure(takeover->host.context, side_out);
    uint32_t *now = &takeover->demands[takeover->ticks % PEAK_TICKS];
    if (side_out->demand > *now) *now = side_out->demand;
    for (unsigned i = 0; i < PEAK_TICKS; i++)
        if (takeover->demands[i] > side_out->demand) side_out->demand = takeover->demands[i];
}

static void close_watcher(struct takeover *takeover, ev_io *watcher)
{
    if (watcher->fd < 0) return;
    ev_io_stop(takeover->loop, watcher);
    close(watcher->fd);
    ev_io_set(watcher, -1, EV_READ);
}

static void watch(struct takeover *takeover, ev_io *watcher, int fd)
{
    ev_io_set(watcher, fd, EV_READ);
    ev_io_start(takeover->loop, watcher);
}

static void log_with_pid(const char *event, uint32_t pid)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, event);
    log_number(&line, "pid", pid);
    log_end(&line);
}

/* ---- the older ---- */

static void report(struct takeover *takeover)
{
    struct budget_side side;
    measure(takeover, &side);
    struct takeover_message message = {.allowed = takeover->allowed, .held = side.held, .clients = side.clients, .demand = side.demand};
    const struct takeover_message *last = &takeover->reported;
    bool is_same = last->allowed == message.allowed && last->held == message.held && last->clients == message.clients &&
                   last->demand == message.demand && last->kind == TAKEOVER_REPORT;
    if (is_same) return;
    if (takeover_channel_send(takeover->younger.fd, TAKEOVER_REPORT, &message, NULL)) takeover->reported = message;
}

static void refuse(int fd, const char *why)
{
    struct takeover_message message = {.pid = (uint32_t)getpid()};
    snprintf(message.text, sizeof message.text, "%s", why);
    (void)takeover_channel_send(fd, TAKEOVER_REFUSED, &message, NULL);
}

static void answer_hello(struct takeover *takeover)
{
    struct takeover_message message = {.pid = (uint32_t)getpid(), .is_activated = takeover->is_activated};
    struct takeover_sockets sockets = {.count = 0};
    const char *why_not = NULL;
    if (takeover->older.fd >= 0 || takeover->forget_ticks > 0)
        why_not = "its own restart is not over: clients of the process before it are still there";
    else if (!takeover->host.offer(takeover->host.context, &sockets, message.uses))
        why_not = "it is shutting down";
    if (!why_not && takeover_channel_send(takeover->younger.fd, TAKEOVER_SOCKETS, &message, &sockets)) return;
    if (why_not) refuse(takeover->younger.fd, why_not);
    close_watcher(takeover, &takeover->younger);
}

bool takeover_give_state(struct takeover *takeover)
{
    if (!takeover->is_over || takeover->younger.fd < 0) return false;
    struct takeover_message message = {.pid = (uint32_t)getpid()};
    struct takeover_sockets state = {.fds = {takeover->host.give_state(takeover->host.context)}, .count = 1};
    bool is_given = state.fds[0] >= 0 && takeover_channel_send(takeover->younger.fd, TAKEOVER_STATE, &message, &state);
    if (state.fds[0] >= 0) close(state.fds[0]);
    return is_given;
}

static void hand_over(struct takeover *takeover, uint32_t pid)
{
    if (takeover->is_over) return;
    takeover->is_over = true;
    close_watcher(takeover, &takeover->listener); /* the name is the younger's now */
    log_with_pid("restart_handed_over", pid);
    takeover->host.handed_over(takeover->host.context, pid);
    (void)takeover_give_state(takeover);
    report(takeover);
    ev_timer_again(takeover->loop, &takeover->tick);
}

/* The younger has died or ended: nobody else uses the budget. */
static void younger_is_gone(struct takeover *takeover)
{
    close_watcher(takeover, &takeover->younger);
    if (!takeover->is_over) return;
    log_with_pid("restart_younger_gone", 0);
    ev_timer_stop(takeover->loop, &takeover->tick);
    takeover->host.set_budget(takeover->host.context, UINT32_MAX);
}

static void on_younger(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct takeover *takeover = watcher->data;
    struct takeover_message message;
    while (watcher->fd >= 0) {
        switch (takeover_channel_receive(watcher->fd, &message, NULL)) {
        case TAKEOVER_NOTHING: return;
        case TAKEOVER_END: younger_is_gone(takeover); return;
        case TAKEOVER_GOT: break;
        }
        if (message.kind == TAKEOVER_HELLO && !takeover->is_over) {
            answer_hello(takeover);
        } else if (message.kind == TAKEOVER_READY) {
            hand_over(takeover, message.pid);
        } else if (message.kind == TAKEOVER_ALLOW && takeover->is_over) {
            takeover->allowed = message.allowed;
            takeover->host.set_budget(takeover->host.context, message.allowed);
            report(takeover);
        } else if (message.kind == TAKEOVER_CANCEL && takeover->is_over) {
            takeover->host.cancel(takeover->host.context, message.pid, message.secret);
        } else if (message.kind == TAKEOVER_STOP && takeover->is_over) {
            takeover->host.stop(takeover->host.context);
        }
    }
}

/* Its HELLO is there, without which being read it would not see the answer. */
static void on_latecomer(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct takeover_message message;
    if (takeover_channel_receive(watcher->fd, &message, NULL) == TAKEOVER_GOT)
        refuse(watcher->fd, "another process is taking over from it at this moment");
    close_watcher(watcher->data, watcher);
}

static void on_knock(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct takeover *takeover = watcher->data;
    int fd = takeover_channel_accept(watcher->fd);
    if (fd < 0) return;
    if (takeover->younger.fd >= 0) close_watcher(takeover, &takeover->latecomer);
    watch(takeover, takeover->younger.fd < 0 ? &takeover->younger : &takeover->latecomer, fd);
}

/* ---- the younger ---- */

/* Bring what the two may hold into force: our own part first, then what the older is told. */
static void settle(struct takeover *takeover, uint32_t held)
{
    struct takeover_message message = {.kind = TAKEOVER_ALLOW};
    const struct budget_share before = takeover->share;
    takeover->host.set_budget(takeover->host.context, budget_share_own(&takeover->share));
    if (!budget_share_next(&takeover->share, held, &message.allowed)) return;
    if (!takeover_channel_send(takeover->older.fd, TAKEOVER_ALLOW, &message, NULL)) takeover->share = before; /* again with the next tick */
}

/* A move costs logins, so it is thought about once a second, unless one side has nothing and the other has no use for what it has. */
static bool is_time_to_decide(const struct takeover *takeover, const struct budget_side *own)
{
    const struct budget_side *older = &takeover->older_side;
    if (takeover->share.ceiling == UINT32_MAX) return false; /* it has not spoken yet */
    bool is_first = takeover->ticks_decided == 0, is_due = takeover->ticks - takeover->ticks_decided >= DECISION_TICKS;
    bool is_older_starved = takeover->share.wanted == 0 && older->demand > 0 && own->demand == 0;
    bool are_we_starved = budget_share_own(&takeover->share) == 0 && own->demand > 0 && older->demand == 0;
    return is_first || is_due || is_older_starved || are_we_starved || older->clients == 0;
}

static void decide(struct takeover *takeover)
{
    struct budget_side own;
    measure(takeover, &own);
    if (is_time_to_decide(takeover, &own)) {
        budget_share_decide(&takeover->share, &takeover->older_side, &own);
        takeover->ticks_decided = takeover->ticks > 0 ? takeover->ticks : 1;
    }
    settle(takeover, own.held);
}

static void end_sharing(struct takeover *takeover)
{
    ev_timer_stop(takeover->loop, &takeover->tick);
    takeover->host.set_budget(takeover->host.context, UINT32_MAX);
    log_with_pid("restart_finished", (uint32_t)getpid());
}

/* It closes its connections before it ends; one that was killed may leave statements running on them. */
static void older_is_gone(struct takeover *takeover)
{
    close_watcher(takeover, &takeover->older);
    takeover->host.older_side(takeover->host.context, &(struct budget_side){0});
    if (takeover->older_side.held == 0) {
        end_sharing(takeover);
        return;
    }
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "restart_older_lost");
    log_number(&line, "servers", takeover->older_side.held);
    log_end(&line);
    takeover->forget_ticks = (unsigned)((double)takeover->forget_after_us / 1e6 / TICK_SECONDS) + 1;
}

static void take_state(struct takeover *takeover, uint32_t kind, int fd)
{
    if (kind == TAKEOVER_STATE)
        takeover->host.take_state(takeover->host.context, fd);
    else
        close(fd);
}

static void on_older(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct takeover *takeover = watcher->data;
    struct takeover_message message;
    struct takeover_sockets state;
    for (;;) {
        switch (takeover_channel_receive(watcher->fd, &message, &state)) {
        case TAKEOVER_NOTHING: decide(takeover); return;
        case TAKEOVER_END: older_is_gone(takeover); return;
        case TAKEOVER_GOT: break;
        }
        for (size_t i = 0; i < state.count; i++) take_state(takeover, message.kind, state.fds[i]);
        if (message.kind != TAKEOVER_REPORT) continue;
        takeover->older_side = (struct budget_side){.clients = message.clients, .held = message.held, .demand = message.demand};
        takeover->host.older_side(takeover->host.context, &takeover->older_side);
        budget_share_reported(&takeover->share, message.allowed, message.held);
    }
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct takeover *takeover = timer->data;
    takeover->demands[++takeover->ticks % PEAK_TICKS] = 0;
    if (takeover->is_over && takeover->younger.fd >= 0) /* before that it has only knocked */
        report(takeover);
    else if (takeover->older.fd >= 0)
        decide(takeover);
    else if (takeover->forget_ticks > 0 && --takeover->forget_ticks == 0)
        end_sharing(takeover);
}

int takeover_ask(const char *path, struct takeover_gift *gift, struct error *error)
{
    struct takeover_message message = {.pid = (uint32_t)getpid()};
    *gift = (struct takeover_gift){.channel = takeover_channel_connect(path, PATIENCE_S, error)};
    if (gift->channel < 0) return -1;
    bool is_answered = takeover_channel_send(gift->channel, TAKEOVER_HELLO, &message, NULL) &&
                       takeover_channel_receive(gift->channel, &message, &gift->sockets) == TAKEOVER_GOT;
    gift->pid = message.pid;
    gift->is_activated = is_answered && message.is_activated != 0;
    memcpy(gift->uses, message.uses, sizeof gift->uses);
    size_t used = 0;
    for (unsigned i = 0; i < TAKEOVER_USES; i++) used += gift->uses[i];
    if (is_answered && message.kind == TAKEOVER_SOCKETS && used == gift->sockets.count) return 0;
    if (is_answered && message.kind == TAKEOVER_REFUSED)
        error_set(error, "", "the running pgturnstile (process %u) does not hand over: %s", (unsigned)message.pid, message.text);
    else
        error_set(error, "", "the running pgturnstile behind \"%s\" did not answer, or is of another version", path);
    for (size_t i = 0; i < gift->sockets.count; i++) close(gift->sockets.fds[i]);
    gift->sockets.count = 0;
    close(gift->channel);
    gift->channel = -1;
    return -1;
}

/* ---- life ---- */

struct takeover *takeover_new(struct ev_loop *loop, const struct takeover_host *host)
{
    struct takeover *takeover = memory_zalloc(sizeof *takeover);
    takeover->loop = loop;
    takeover->host = *host;
    takeover->allowed = UINT32_MAX;
    ev_io_init(&takeover->listener, on_knock, -1, EV_READ);
    ev_io_init(&takeover->younger, on_younger, -1, EV_READ);
    ev_io_init(&takeover->latecomer, on_latecomer, -1, EV_READ);
    ev_io_init(&takeover->older, on_older, -1, EV_READ);
    ev_timer_init(&takeover->tick, on_tick, TICK_SECONDS, TICK_SECONDS);
    takeover->listener.data = takeover->younger.data = takeover->latecomer.data = takeover->older.data = takeover->tick.data = takeover;
    return takeover;
}

int takeover_listen(struct takeover *takeover, const char *path, bool is_activated, struct error *error)
{
    int fd = takeover_channel_listen(path, error);
    if (fd < 0) return -1;
    takeover->path = memory_strdup(path);
    takeover->is_activated = is_activated;
    watch(takeover, &takeover->listener, fd);
    return 0;
}

void takeover_publish(struct takeover *takeover)
{
    if (!takeover->path) return;
    if (takeover_channel_publish(takeover->path) == 0 && lstat(takeover->path, &takeover->file) == 0) return;
    struct log_line line;
    log_begin(&line, LOG_LEVEL_ERROR, "restart_socket_failed");
    log_text(&line, "path", takeover->path);
    log_text(&line, "error", strerror(errno));
    log_text(&line, "hint", "nobody can take over from this process");
    log_end(&line);
}

void takeover_begin(struct takeover *takeover, struct takeover_gift *gift, uint32_t budget, int64_t forget_after_us)
{
    struct takeover_message message = {.pid = (uint32_t)getpid()};
    int fd = gift->channel;
    gift->channel = -1;
    takeover->forget_after_us = forget_after_us;
    takeover->older_side = (struct budget_side){.held = budget}; /* until it reports */
    budget_share_init(&takeover->share, budget);
    takeover->host.set_budget(takeover->host.context, 0);
    bool is_told = takeover_channel_send(fd, TAKEOVER_READY, &message, NULL) && fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
    log_with_pid("restart_took_over", gift->pid);
    watch(takeover, &takeover->older, fd);
    ev_timer_again(takeover->loop, &takeover->tick);
    if (!is_told) older_is_gone(takeover);
}

bool takeover_set_budget(struct takeover *takeover, uint32_t budget)
{
    if (takeover->older.fd < 0 && takeover->forget_ticks == 0) return false;
    takeover->share.budget = budget;
    takeover->host.set_budget(takeover->host.context, budget_share_own(&takeover->share));
    return true;
}

bool takeover_is_over(const struct takeover *takeover)
{
    return takeover->is_over;
}

void takeover_pass_cancel(struct takeover *takeover, uint32_t pid, uint32_t secret)
{
    if (takeover->older.fd < 0) return;
    struct takeover_message message = {.pid = pid, .secret = secret};
    (void)takeover_channel_send(takeover->older.fd, TAKEOVER_CANCEL, &message, NULL);
}

void takeover_stop(struct takeover *takeover)
{
    if (takeover->older.fd < 0) return;
    struct takeover_message message = {.pid = (uint32_t)getpid()};
    (void)takeover_channel_send(takeover->older.fd, TAKEOVER_STOP, &message, NULL);
}

void takeover_free(struct takeover **takeover_pointer)
{
    struct takeover *takeover = *takeover_pointer;
    if (!takeover) return;
    *takeover_pointer = NULL;
    if (takeover->is_over && takeover->younger.fd >= 0) report(takeover); /* what is left, which should be nothing */
    struct stat now;
    if (takeover->path && lstat(takeover->path, &now) == 0 && now.st_dev == takeover->file.st_dev && now.st_ino == takeover->file.st_ino)
        unlink(takeover->path);
    if (takeover->path) takeover_channel_withdraw(takeover->path);
    close_watcher(takeover, &takeover->listener);
    close_watcher(takeover, &takeover->younger);
    close_watcher(takeover, &takeover->latecomer);
    close_watcher(takeover, &takeover->older);
    ev_timer_stop(takeover->loop, &takeover->tick);
    free(takeover->path);
    free(takeover);
}
