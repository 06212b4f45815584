/* SHOW: classes, and what an autoscaler should know of them. */
#include "proxy/admin_show.h"
#include "proxy/scaling.h"

static const struct turnstile_class *next_class(struct show_cursor *cursor, uint32_t *index_out)
{
    const struct turnstile *turnstile = cursor->view->commons->turnstile;
    if (cursor->step >= turnstile_class_count(turnstile)) return NULL;
    *index_out = (uint32_t)cursor->step++;
    return turnstile_class_at(turnstile, *index_out);
}

static void add_percentiles(struct admin_row *row, const struct histogram *histogram)
{
    admin_row_number(row, (int64_t)histogram_recent_percentile(histogram, 0.5));
    admin_row_number(row, (int64_t)histogram_recent_percentile(histogram, 0.9));
    admin_row_number(row, (int64_t)histogram_recent_percentile(histogram, 0.99));
    admin_row_number(row, (int64_t)histogram->max);
}

static const char *share_by_text(const struct config *config, uint32_t index)
{
    if (index >= config->class_count) return NULL;
    const struct config_class *class = &config->classes[index];
    switch (class->share_by) {
    case CONFIG_FACT_USER: return "user";
    case CONFIG_FACT_DATABASE: return "database";
    case CONFIG_FACT_APPLICATION_NAME: return "application_name";
    case CONFIG_FACT_ADDRESS: return "address";
    case CONFIG_FACT_TAG: return class->share_tag;
    case CONFIG_FACT_NONE:
    case CONFIG_FACT_PORT: break;
    }
    return NULL;
}

enum show_step rows_of_classes(struct show_cursor *cursor, struct bytes_writer *writer)
{
    uint32_t index;
    const struct turnstile_class *class = next_class(cursor, &index);
    if (!class) return SHOW_END;
    const struct commons *commons = cursor->view->commons;
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, class->name);
    admin_row_number(&row, class->leased);
    admin_row_number(&row, class->is_retired ? 0 : class->rules.reserve);
    admin_row_number(&row, class->rules.limit);
    admin_row_number(&row, class->rules.weight);
    admin_row_number(&row, class->waiting);
    admin_row_number(&row, turnstile_class_longest_wait_us(class, commons->now_us));
    add_percentiles(&row, &class->wait_us);
    add_percentiles(&row, &class->lease_us);
    add_percentiles(&row, &class->query_us);
    admin_row_number(&row, (int64_t) class->granted);
    admin_row_number(&row, (int64_t) class->waited);
    admin_row_number(&row, (int64_t) class->refused_queue_full);
    admin_row_number(&row, (int64_t) class->timed_out);
    admin_row_number(&row, (int64_t)turnstile_class_slot_us(class, commons->now_us));
    admin_row_text(&row, share_by_text(commons->config, index));
    admin_row_number(&row, class->rules.share_limit);
    admin_row_end(&row);
    return SHOW_ROW;
}

enum show_step rows_of_scaling(struct show_cursor *cursor, struct bytes_writer *writer)
{
    uint32_t index;
    const struct turnstile_class *class = next_class(cursor, &index);
    const struct commons *commons = cursor->view->commons;
    struct scaling_view view;
    if (!class || !scaling_of_class(commons->scaling, commons->turnstile, commons->config, index, &view)) return SHOW_END;
    const struct config_class *rules = &commons->config->classes[index];
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, class->name);
    admin_row_number(&row, view.workers);
    admin_row_number(&row, view.backlog);
    admin_row_real(&row, view.arrivals);
    admin_row_number(&row, view.mean_lease_us);
    admin_row_number(&row, view.p99_lease_us);
    admin_row_number(&row, view.clients);
    admin_row_real(&row, view.slots_needed);
    admin_row_number(&row, view.slots_usable);
    admin_row_number(&row, view.workers_useful);
    admin_row_number(&row, rules->workers_min);
    admin_row_number(&row, rules->workers_max);
    admin_row_number(&row, rules->events_per_worker);
    admin_row_end(&row);
    return SHOW_ROW;
}
