/*
 * Between the relay and the taps. A client's tap is made at its first message.
 */
#include "proxy/observe.h"

#include "protocol/frontend.h"
#include "proxy/client_text.h"
#include "proxy/clock.h"
#include "proxy/finding_log.h"
#include "proxy/log.h"
#include "proxy/tap.h"

/* ---- the log ---- */

static void log_found(void *context, const struct finding_notice *notice, const struct observation *observation)
{
    (void)context;
    finding_log(notice, observation);
}

static void log_over_budget(void *context, const char *database, const char *user, const char *route, uint32_t statements)
{
    (void)context;
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "unit_over_budget");
    log_text(&line, "database", database);
    log_text(&line, "user", user);
    log_text(&line, "route", route);
    log_number(&line, "statements", statements);
    log_text(&line, "hint", "statements_per_unit_max is the limit");
    log_end(&line);
}

/* ---- on and off ---- */

void observe_configure(struct commons *commons)
{
    struct detector_settings settings;
    detector_settings_from(&commons->config->settings, &settings);
    if (commons->taps)
        taps_configure(commons->taps, &settings);
    else
        commons->taps = taps_new(&settings, &(struct detector_host){.found = log_found, .over_budget = log_over_budget},
                                 clock_wall_us() - commons->now_us);
    commons->is_observing = detector_is_on(taps_detector(commons->taps));
}

void observe_free(struct commons *commons)
{
    taps_free(&commons->taps);
}

void observe_tick(struct commons *commons)
{
    struct detector *detector = taps_detector(commons->taps);
    detector_tick(detector, commons->now_us);
    commons->has_open_units = detector_next_due_us(detector) != INT64_MAX;
}

/* ---- messages ---- */

static void make_tap(struct client *client)
{
    struct commons *commons = client->host->commons;
    char address[CLIENT_ADDRESS_SIZE];
    client_format_address(client, address);
    client->tap = tap_new(commons->taps, client->database, client->user, address, commons->now_us);
}

static void follow_application_name(struct client *client)
{
    if (client->observed == client->settings) return;
    const char *name = session_state_get(client->settings, "application_name");
    tap_application_name(client->tap, name ? name : "", client->host->commons->now_us);
    session_state_unref(&client->observed);
    client->observed = session_state_ref(client->settings);
}

void observe_show_sent(struct client *client, uint8_t type, const uint8_t *body, size_t available, size_t size)
{
    struct commons *commons = client->host->commons;
    if (!client->tap) make_tap(client);
    follow_application_name(client);
    commons->has_open_units = true;
    struct tap_text text = {.is_scannable = true};
    if (type == FRONTEND_QUERY || type == FRONTEND_PARSE)
        text = (struct tap_text){.is_scannable = client_text_is_scannable(client), .strings = client_text_strings(client)};
    text.is_begun = client->transaction == LOCAL_BEGINNING;
    tap_sent(client->tap, type, body, available, size, &text, commons->now_us);
}

void observe_show_received(struct client *client, uint8_t type, const uint8_t *body, size_t size)
{
    client->host->commons->has_open_units = true;
    tap_received(client->tap, type, body, size, client->host->commons->now_us);
}

const char *observe_running(struct client *client)
{
    return client->tap && client->host->commons->is_observing ? tap_running(client->tap) : NULL;
}

void observe_rest(struct client *client)
{
    if (client->tap) tap_rest(client->tap);
}

void observe_leave(struct client *client)
{
    if (client->tap) client->host->commons->has_open_units = true; /* for a last time */
    tap_free(&client->tap, client->host->commons->now_us);
    session_state_unref(&client->observed);
}
