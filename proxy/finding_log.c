/* One line, in the log's own format. Whether it is wanted was decided before: notice->is_wanted. */
#include "proxy/finding_log.h"

#include <inttypes.h>
#include <stdio.h>

#include "proxy/log.h"

static void add_milliseconds(struct log_line *line, const char *key, int64_t us)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64 ".%03d", us / 1000, (int)(us % 1000));
    log_text(line, key, text);
}

static void add_parent(struct log_line *line, const struct finding *finding, const struct observation *observation)
{
    const struct verdict_feed *feed = &observation->feed;
    const struct finding_parent *parent = &finding->parent;
    char text[3 * FINDING_NAME_MAX];
    if (feed->link == LINK_NONE) return;
    bool is_named = parent->table[0] != '\0' && parent->table_oid == feed->column.table_oid && parent->attnum == feed->column.attnum;
    if (is_named) {
        snprintf(text, sizeof text, "%s.%s", parent->table, parent->column);
    } else {
        snprintf(text, sizeof text, "%s", feed->column.label);
    }
    log_text(line, "parent", text);
    log_number(line, "parent_rows", feed->rows);
    log_text(line, "link", link_word(feed->link));
}

void finding_log(const struct finding_notice *notice, const struct observation *observation)
{
    struct log_line line;
    const struct verdict_counts *counts = &observation->counts;
    char n[16];
    log_begin(&line, observation->severity == SEVERITY_INFO ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "duplicate_queries");
    log_text(&line, "verdict", verdict_word(observation->verdict));
    log_text(&line, "confidence", confidence_word(observation->confidence));
    log_text(&line, "severity", severity_word(observation->severity));
    log_text(&line, "title", verdict_title(observation->verdict)); /* what people look for */
    snprintf(n, sizeof n, "%s%" PRIu32, observation->is_lower_bound ? ">=" : "", counts->n);
    log_text(&line, "n", n);
    log_number(&line, "distinct", counts->distinct);
    log_number(&line, "dup", counts->duplicates + counts->rereads);
    log_number(&line, "round_trips", counts->round_trips);
    add_milliseconds(&line, "lost_ms", observation->lost_us);
    add_milliseconds(&line, "db_ms", counts->db_us);
    add_milliseconds(&line, "wall_ms", counts->last_us - counts->first_us);
    log_text(&line, "unit", unit_kind_word(observation->unit_kind));
    log_number(&line, "unit_statements", observation->unit_statements);
    log_text(&line, "database", observation->database);
    log_text(&line, "user", observation->user);
    log_text(&line, "route", observation->route);
    log_text(&line, "client", observation->address);
    if (observation->unit_text != NULL && observation->unit_text[0] != '\0') log_text(&line, "request", observation->unit_text);
    add_parent(&line, notice->finding, observation);
    if (notice->suppressed > 0) log_number(&line, "suppressed", (int64_t)notice->suppressed);
    log_text(&line, "id", notice->finding->id);
    log_text(&line, "shape", observation->shape);
    log_end(&line);
}
