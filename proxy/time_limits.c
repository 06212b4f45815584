/* Which limits of time hold for whom. Not for: what is done when one is reached (relay_clocks.c). */
#include "proxy/time_limits.h"

const struct time_limits time_limits_none = {0};

static int64_t or_else(int64_t said_us, int64_t setting_us)
{
    return said_us >= 0 ? said_us : setting_us;
}

struct time_limits time_limits_of(const struct config *config, const struct config_class *class, const struct config_database *database,
                                  const char *user)
{
    const struct settings *settings = &config->settings;
    struct config_times said = config_times_said(config, class, database, user);
    struct time_limits limits = {.wait_us = or_else(said.wait_us, settings->query_wait_timeout_us),
                                 .notify_us = or_else(said.notify_us, settings->query_wait_notify_us),
                                 .deadline_us = or_else(said.deadline_us, settings->deadline_us),
                                 .query_us = or_else(said.query_us, settings->query_timeout_us),
                                 .transaction_us = or_else(said.transaction_us, settings->transaction_timeout_us),
                                 .idle_transaction_us = or_else(said.idle_transaction_us, settings->idle_transaction_timeout_us),
                                 .client_idle_us = or_else(said.client_idle_us, settings->client_idle_timeout_us)};
    limits.are_any = limits.deadline_us || limits.query_us || limits.transaction_us || limits.idle_transaction_us || limits.client_idle_us;
    return limits;
}
