/*
 * Findings to lines and back. Shares are in millionths. A finding's line (F) is followed by its buckets (B) and samples (S), a route's (R) by its buckets (Q). No value of
 * a parameter is among them, even where sample_values keeps some: what is in memory for those who may look is not meant for a file.
 */
#include "proxy/findings_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/field_lines.h"
#include "proxy/memory.h"

static const char header[] = "pgturnstile-findings";
static const int64_t version = 1;

/* ---- writing ---- */

static void put_share(struct text_buffer *writer, float share)
{
    field_line_add_number(writer, (int64_t)((double)share * 1e6 + 0.5));
}

static void put_totals(struct text_buffer *writer, const struct finding_totals *totals)
{
    field_line_add_number(writer, (int64_t)totals->units);
    field_line_add_number(writer, (int64_t)totals->n);
    field_line_add_number(writer, (int64_t)totals->distinct);
    field_line_add_number(writer, (int64_t)totals->duplicates);
    field_line_add_number(writer, (int64_t)totals->round_trips);
    field_line_add_number(writer, (int64_t)totals->rows);
    field_line_add_number(writer, (int64_t)totals->statements);
    field_line_add_number(writer, totals->lost_us);
    field_line_add_number(writer, totals->db_us);
    field_line_add_number(writer, totals->wall_us);
    field_line_add_number(writer, totals->n_max);
}

static void put_finding(struct text_buffer *writer, const struct finding *finding)
{
    const struct finding_parent *parent = &finding->parent;
    field_line_begin(writer, "F");
    field_line_add_text(writer, finding->database);
    field_line_add_text(writer, finding->user);
    field_line_add_text(writer, finding->route);
    field_line_add_text(writer, finding->shape);
    field_line_add_number(writer, (int64_t)finding->fingerprint);
    field_line_add_text(writer, verdict_word(finding->verdict));
    field_line_add_text(writer, confidence_word(finding->confidence));
    field_line_add_number(writer, (int64_t)finding->severity);
    field_line_add_number(writer, (int64_t)finding->unit_kind);
    field_line_add_text(writer, framework_word(finding->framework));
    field_line_add_number(writer, finding->varying_slot);
    field_line_add_number(writer, finding->first_seen_us);
    field_line_add_number(writer, finding->last_seen_us);
    field_line_add_number(writer, (int64_t)finding->route_units_when_seen);
    put_totals(writer, &finding->totals);
    field_line_add_number(writer, finding->sample_us);
    field_line_add_text(writer, finding->sample_address);
    field_line_add_text(writer, finding->sample_unit);
    put_totals(writer, &finding->sample);
    field_line_add_text(writer, parent->shape ? link_word(parent->link) : "");
    field_line_add_text(writer, parent->shape ? parent->shape : "");
    field_line_add_number(writer, parent->table_oid);
    field_line_add_number(writer, parent->attnum);
    field_line_add_text(writer, parent->label);
    field_line_add_text(writer, parent->table);
    field_line_add_text(writer, parent->column);
    field_line_add_number(writer, parent->slot);
    field_line_add_number(writer, parent->rows);
    put_share(writer, parent->cover);
    put_share(writer, parent->inorder);
    put_share(writer, parent->used);
    field_line_end(writer);
    for (unsigned i = 0; i < FINDING_BUCKETS; i++) {
        if (finding->buckets[i].totals.units == 0) continue;
        field_line_begin(writer, "B");
        field_line_add_number(writer, finding->buckets[i].number);
        put_totals(writer, &finding->buckets[i].totals);
        field_line_end(writer);
    }
    for (unsigned i = 0; i < FINDING_SAMPLES; i++) {
        if (finding->samples[i].n == 0) continue;
        field_line_begin(writer, "S");
        field_line_add_number(writer, finding->samples[i].bucket);
        field_line_add_number(writer, finding->samples[i].n);
        field_line_end(writer);
    }
}

static void put_route(struct text_buffer *writer, const struct finding_route *route)
{
    field_line_begin(writer, "R");
    field_line_add_text(writer, route->database);
    field_line_add_text(writer, route->user);
    field_line_add_text(writer, route->route);
    field_line_add_number(writer, (int64_t)route->units);
    field_line_add_number(writer, route->last_us);
    field_line_end(writer);
    for (unsigned i = 0; i < FINDING_BUCKETS; i++) {
        if (route->buckets[i].units == 0) continue;
        field_line_begin(writer, "Q");
        field_line_add_number(writer, route->buckets[i].number);
        field_line_add_number(writer, route->buckets[i].units);
        field_line_end(writer);
    }
}

char *findings_encode(const struct findings *findings, size_t *size_out)
{
    struct text_buffer writer = {0};
    field_line_begin(&writer, header);
    field_line_add_number(&writer, version);
    field_line_add_number(&writer, findings_bucket_us(findings));
    field_line_end(&writer);
    for (const struct finding_route *route = findings_next_route(findings, NULL); route; route = findings_next_route(findings, route))
        put_route(&writer, route);
    for (const struct finding *finding = findings_next(findings, NULL); finding; finding = findings_next(findings, finding)) {
        if (finding->totals.units > 0) put_finding(&writer, finding);
    }
    *size_out = writer.size;
    return writer.text;
}

/* ---- reading ---- */

static float get_share(struct field_line *reader)
{
    return (float)field_line_number_between(reader, 0, 1000000) / 1e6F;
}

static int get_word(struct field_line *reader, int (*find)(const char *word))
{
    int found = find(field_line_text(reader));
    if (found < 0) reader->is_bad = true;
    return found < 0 ? 0 : found;
}

static int find_framework(const char *word)
{
    for (int i = 0; i < FRAMEWORK_COUNT; i++) {
        if (strcmp(framework_word((enum framework)i), word) == 0) return i;
    }
    return -1;
}

static struct finding_totals get_totals(struct field_line *reader)
{
    const int64_t most = INT64_MAX;
    struct finding_totals totals;
    totals.units = (uint64_t)field_line_number_between(reader, 0, most);
    totals.n = (uint64_t)field_line_number_between(reader, 0, most);
    totals.distinct = (uint64_t)field_line_number_between(reader, 0, most);
    totals.duplicates = (uint64_t)field_line_number_between(reader, 0, most);
    totals.round_trips = (uint64_t)field_line_number_between(reader, 0, most);
    totals.rows = (uint64_t)field_line_number_between(reader, 0, most);
    totals.statements = (uint64_t)field_line_number_between(reader, 0, most);
    totals.lost_us = field_line_number_between(reader, 0, most);
    totals.db_us = field_line_number_between(reader, 0, most);
    totals.wall_us = field_line_number_between(reader, 0, most);
    totals.n_max = (uint32_t)field_line_number_between(reader, 0, UINT32_MAX);
    return totals;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

static void get_parent(struct field_line *reader, struct finding_parent *parent)
{
    parent->link = (enum link)get_word(reader, link_find);
    const char *shape = field_line_text(reader);
    parent->table_oid = (uint32_t)field_line_number_between(reader, 0, UINT32_MAX);
    parent->attnum = (int16_t)field_line_number_between(reader, INT16_MIN, INT16_MAX);
    copy(parent->label, sizeof parent->label, field_line_text(reader));
    copy(parent->table, sizeof parent->table, field_line_text(reader));
    copy(parent->column, sizeof parent->column, field_line_text(reader));
    parent->slot = (uint8_t)field_line_number_between(reader, 0, UINT8_MAX);
    parent->rows = (uint32_t)field_line_number_between(reader, 0, UINT32_MAX);
    parent->cover = get_share(reader);
    parent->inorder = get_share(reader);
    parent->used = get_share(reader);
    if (!reader->is_bad && parent->link != LINK_NONE && parent->shape == NULL) parent->shape = memory_strdup(shape);
}

static struct finding *get_finding(struct findings *findings, struct field_line *reader)
{
    struct observation observation = {.database = field_line_text(reader), .user = field_line_text(reader)};
    observation.route = field_line_text(reader);
    observation.shape = field_line_text(reader);
    observation.fingerprint = (uint64_t)field_line_number(reader);
    observation.verdict = (enum verdict)get_word(reader, verdict_find);
    observation.confidence = (enum confidence)get_word(reader, confidence_find);
    observation.severity = (enum severity)field_line_number_between(reader, SEVERITY_INFO, SEVERITY_CRITICAL);
    enum unit_kind kind = (enum unit_kind)field_line_number_between(reader, UNIT_BURST, UNIT_TAG);
    enum framework framework = (enum framework)get_word(reader, find_framework);
    observation.varying_slot = (int)field_line_number_between(reader, -1, UINT16_MAX);
    if (reader->is_bad) return NULL;
    struct finding *finding = findings_restore(findings, &observation);
    finding->unit_kind = kind;
    finding->framework = framework;
    finding->first_seen_us = field_line_number_between(reader, 0, INT64_MAX);
    finding->last_seen_us = field_line_number_between(reader, 0, INT64_MAX);
    finding->route_units_when_seen = (uint64_t)field_line_number_between(reader, 0, INT64_MAX);
    finding->totals = get_totals(reader);
    finding->sample_us = field_line_number_between(reader, 0, INT64_MAX);
    copy(finding->sample_address, sizeof finding->sample_address, field_line_text(reader));
    copy(finding->sample_unit, sizeof finding->sample_unit, field_line_text(reader));
    finding->sample = get_totals(reader);
    get_parent(reader, &finding->parent);
    return finding;
}

struct decoding {
    struct findings *findings;
    struct finding *finding;
    struct finding_route *route;
    bool has_buckets; /* of the length that is in force now */
};

static void get_bucket(struct decoding *decoding, struct field_line *reader)
{
    int64_t number = field_line_number_between(reader, 0, INT64_MAX);
    struct finding_totals totals = get_totals(reader);
    if (decoding->finding == NULL) reader->is_bad = true;
    if (reader->is_bad || !decoding->has_buckets) return;
    decoding->finding->buckets[number % FINDING_BUCKETS] = (struct finding_bucket){.number = number, .totals = totals};
}

static void get_sample(struct decoding *decoding, struct field_line *reader)
{
    int64_t bucket = field_line_number_between(reader, 0, INT64_MAX);
    uint32_t n = (uint32_t)field_line_number_between(reader, 1, UINT32_MAX);
    struct finding *finding = decoding->finding;
    if (finding == NULL) reader->is_bad = true;
    if (reader->is_bad) return;
    /* Of other buckets the number says nothing, but the sample is still one of all times. */
    finding->samples[finding->next_sample++ % FINDING_SAMPLES] =
        (struct finding_sample){.bucket = decoding->has_buckets ? bucket : 0, .n = n};
}

static void get_route(struct decoding *decoding, struct field_line *reader)
{
    const char *database = field_line_text(reader), *user = field_line_text(reader), *route = field_line_text(reader);
    uint64_t units = (uint64_t)field_line_number_between(reader, 0, INT64_MAX);
    int64_t last_us = field_line_number_between(reader, 0, INT64_MAX);
    if (reader->is_bad) return;
    decoding->route = findings_restore_route(decoding->findings, database, user, route);
    decoding->route->units = units;
    decoding->route->last_us = last_us;
}

static void get_route_bucket(struct decoding *decoding, struct field_line *reader)
{
    int64_t number = field_line_number_between(reader, 0, INT64_MAX);
    uint32_t units = (uint32_t)field_line_number_between(reader, 1, UINT32_MAX);
    if (decoding->route == NULL) reader->is_bad = true;
    if (reader->is_bad || !decoding->has_buckets) return;
    decoding->route->buckets[number % FINDING_BUCKETS] = (struct finding_route_bucket){.number = number, .units = units};
}

static bool decode_line(struct decoding *decoding, char *line)
{
    struct field_line reader;
    field_line_read(&reader, line);
    const char *kind = field_line_text(&reader);
    if (strcmp(kind, "F") == 0) {
        decoding->finding = get_finding(decoding->findings, &reader);
    } else if (strcmp(kind, "B") == 0) {
        get_bucket(decoding, &reader);
    } else if (strcmp(kind, "S") == 0) {
        get_sample(decoding, &reader);
    } else if (strcmp(kind, "R") == 0) {
        get_route(decoding, &reader);
    } else if (strcmp(kind, "Q") == 0) {
        get_route_bucket(decoding, &reader);
    } else {
        return false;
    }
    return field_line_is_whole(&reader);
}

static bool decode_header(struct decoding *decoding, char *line)
{
    struct field_line reader;
    field_line_read(&reader, line);
    if (strcmp(field_line_text(&reader), header) != 0 || field_line_number(&reader) != version) return false;
    decoding->has_buckets = field_line_number(&reader) == findings_bucket_us(decoding->findings);
    return field_line_is_whole(&reader);
}

int findings_decode(struct findings *findings, const char *text, size_t size, struct error *error)
{
    struct decoding decoding = {.findings = findings};
    if (memchr(text, '\0', size) != NULL || size == 0 || text[size - 1] != '\n') {
        error_set(error, "", "not a whole file of findings");
        return -1;
    }
    char *copy_of_text = memory_alloc(size + 1);
    memcpy(copy_of_text, text, size);
    copy_of_text[size] = '\0';
    size_t number = 1;
    bool is_good = true;
    for (char *line = copy_of_text; *line != '\0' && is_good; number++) {
        char *end = strchr(line, '\n');
        *end = '\0';
        is_good = number == 1 ? decode_header(&decoding, line) : decode_line(&decoding, line);
        line = end + 1;
    }
    free(copy_of_text);
    if (is_good) return 0;
    findings_clear(findings);
    error_set(error, "", "line %zu is not understood", number - 1);
    return -1;
}
