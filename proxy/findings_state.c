/*
 * Findings to text and back. Fields are separated by tabs; %, control bytes and what would be an empty field are written as %XX, so any name survives. Numbers are decimal;
 * shares are in millionths. A finding's line (F) is followed by its buckets (B) and samples (S), a route's (R) by its buckets (Q).
 */
#include "proxy/findings_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/memory.h"

enum { FIELDS_MAX = 64, FILE_SIZE_MAX = 64 * 1024 * 1024 };
static const char header[] = "pgturnstile-findings";
static const int64_t version = 1;

/* ---- writing ---- */

struct writer {
    char *text;
    size_t size, used;
};

static void put_bytes(struct writer *writer, const char *bytes, size_t count)
{
    if (writer->size - writer->used < count + 1) {
        while (writer->size - writer->used < count + 1) writer->size = writer->size == 0 ? 4096 : 2 * writer->size;
        writer->text = memory_realloc(writer->text, writer->size);
    }
    memcpy(writer->text + writer->used, bytes, count);
    writer->used += count;
    writer->text[writer->used] = '\0';
}

static void put_text(struct writer *writer, const char *text)
{
    put_bytes(writer, "\t", 1);
    for (; *text != '\0'; text++) {
        char escaped[4];
        if ((unsigned char)*text < 0x20 || *text == '%' || *text == 0x7f) {
            snprintf(escaped, sizeof escaped, "%%%02X", (unsigned)(unsigned char)*text);
            put_bytes(writer, escaped, 3);
        } else {
            put_bytes(writer, text, 1);
        }
    }
}

static void put_number(struct writer *writer, int64_t number)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "\t%" PRId64, number);
    put_bytes(writer, digits, (size_t)size);
}

static void put_share(struct writer *writer, float share)
{
    put_number(writer, (int64_t)((double)share * 1e6 + 0.5));
}

static void put_totals(struct writer *writer, const struct finding_totals *totals)
{
    put_number(writer, (int64_t)totals->units);
    put_number(writer, (int64_t)totals->n);
    put_number(writer, (int64_t)totals->distinct);
    put_number(writer, (int64_t)totals->duplicates);
    put_number(writer, (int64_t)totals->round_trips);
    put_number(writer, (int64_t)totals->rows);
    put_number(writer, (int64_t)totals->statements);
    put_number(writer, totals->lost_us);
    put_number(writer, totals->db_us);
    put_number(writer, totals->wall_us);
    put_number(writer, totals->n_max);
}

static void put_finding(struct writer *writer, const struct finding *finding)
{
    const struct finding_parent *parent = &finding->parent;
    put_bytes(writer, "F", 1);
    put_text(writer, finding->database);
    put_text(writer, finding->user);
    put_text(writer, finding->route);
    put_text(writer, finding->shape);
    put_number(writer, (int64_t)finding->fingerprint);
    put_text(writer, verdict_word(finding->verdict));
    put_text(writer, confidence_word(finding->confidence));
    put_number(writer, (int64_t)finding->severity);
    put_number(writer, (int64_t)finding->unit_kind);
    put_text(writer, framework_word(finding->framework));
    put_number(writer, finding->varying_slot);
    put_number(writer, finding->first_seen_us);
    put_number(writer, finding->last_seen_us);
    put_number(writer, (int64_t)finding->route_units_when_seen);
    put_totals(writer, &finding->totals);
    put_number(writer, finding->sample_us);
    put_text(writer, finding->sample_address);
    put_text(writer, finding->sample_unit);
    put_totals(writer, &finding->sample);
    put_text(writer, parent->shape ? link_word(parent->link) : "");
    put_text(writer, parent->shape ? parent->shape : "");
    put_number(writer, parent->table_oid);
    put_number(writer, parent->attnum);
    put_text(writer, parent->label);
    put_text(writer, parent->table);
    put_text(writer, parent->column);
    put_number(writer, parent->slot);
    put_number(writer, parent->rows);
    put_share(writer, parent->cover);
    put_share(writer, parent->inorder);
    put_share(writer, parent->used);
    put_bytes(writer, "\n", 1);
    for (unsigned i = 0; i < FINDING_BUCKETS; i++) {
        if (finding->buckets[i].totals.units == 0) continue;
        put_bytes(writer, "B", 1);
        put_number(writer, finding->buckets[i].number);
        put_totals(writer, &finding->buckets[i].totals);
        put_bytes(writer, "\n", 1);
    }
    for (unsigned i = 0; i < FINDING_SAMPLES; i++) {
        if (finding->samples[i].n == 0) continue;
        put_bytes(writer, "S", 1);
        put_number(writer, finding->samples[i].bucket);
        put_number(writer, finding->samples[i].n);
        put_bytes(writer, "\n", 1);
    }
}

static void put_route(struct writer *writer, const struct finding_route *route)
{
    put_bytes(writer, "R", 1);
    put_text(writer, route->database);
    put_text(writer, route->user);
    put_text(writer, route->route);
    put_number(writer, (int64_t)route->units);
    put_number(writer, route->last_us);
    put_bytes(writer, "\n", 1);
    for (unsigned i = 0; i < FINDING_BUCKETS; i++) {
        if (route->buckets[i].units == 0) continue;
        put_bytes(writer, "Q", 1);
        put_number(writer, route->buckets[i].number);
        put_number(writer, route->buckets[i].units);
        put_bytes(writer, "\n", 1);
    }
}

char *findings_encode(const struct findings *findings, size_t *size_out)
{
    struct writer writer = {0};
    put_bytes(&writer, header, strlen(header));
    put_number(&writer, version);
    put_number(&writer, findings_bucket_us(findings));
    put_bytes(&writer, "\n", 1);
    for (const struct finding_route *route = findings_next_route(findings, NULL); route; route = findings_next_route(findings, route))
        put_route(&writer, route);
    for (const struct finding *finding = findings_next(findings, NULL); finding; finding = findings_next(findings, finding)) {
        if (finding->totals.units > 0) put_finding(&writer, finding);
    }
    *size_out = writer.used;
    return writer.text;
}

/* ---- reading ---- */

/* One line in fields, unescaped in place. Failure sticks. */
struct reader {
    char *fields[FIELDS_MAX];
    size_t count, next;
    bool is_bad;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high == 0 && low == 0)) return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static struct reader read_line(char *line)
{
    struct reader reader = {0};
    for (char *field = line; field != NULL;) {
        char *tab = strchr(field, '\t');
        if (tab) *tab = '\0';
        if (reader.count == FIELDS_MAX || !unescape(field)) {
            reader.is_bad = true;
            return reader;
        }
        reader.fields[reader.count++] = field;
        field = tab ? tab + 1 : NULL;
    }
    return reader;
}

static const char *get_text(struct reader *reader)
{
    if (reader->next == reader->count) reader->is_bad = true;
    return reader->is_bad ? "" : reader->fields[reader->next++];
}

static int64_t get_number(struct reader *reader)
{
    const char *text = get_text(reader);
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0' || errno != 0 || *text == ' ' || *text == '+') reader->is_bad = true;
    return reader->is_bad ? 0 : number;
}

static int64_t get_number_between(struct reader *reader, int64_t low, int64_t high)
{
    int64_t number = get_number(reader);
    if (number < low || number > high) {
        reader->is_bad = true;
        return low;
    }
    return number;
}

static float get_share(struct reader *reader)
{
    return (float)get_number_between(reader, 0, 1000000) / 1e6F;
}

static int get_word(struct reader *reader, int (*find)(const char *word))
{
    int found = find(get_text(reader));
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

static struct finding_totals get_totals(struct reader *reader)
{
    const int64_t most = INT64_MAX;
    struct finding_totals totals;
    totals.units = (uint64_t)get_number_between(reader, 0, most);
    totals.n = (uint64_t)get_number_between(reader, 0, most);
    totals.distinct = (uint64_t)get_number_between(reader, 0, most);
    totals.duplicates = (uint64_t)get_number_between(reader, 0, most);
    totals.round_trips = (uint64_t)get_number_between(reader, 0, most);
    totals.rows = (uint64_t)get_number_between(reader, 0, most);
    totals.statements = (uint64_t)get_number_between(reader, 0, most);
    totals.lost_us = get_number_between(reader, 0, most);
    totals.db_us = get_number_between(reader, 0, most);
    totals.wall_us = get_number_between(reader, 0, most);
    totals.n_max = (uint32_t)get_number_between(reader, 0, UINT32_MAX);
    return totals;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

static void get_parent(struct reader *reader, struct finding_parent *parent)
{
    parent->link = (enum link)get_word(reader, link_find);
    const char *shape = get_text(reader);
    parent->table_oid = (uint32_t)get_number_between(reader, 0, UINT32_MAX);
    parent->attnum = (int16_t)get_number_between(reader, INT16_MIN, INT16_MAX);
    copy(parent->label, sizeof parent->label, get_text(reader));
    copy(parent->table, sizeof parent->table, get_text(reader));
    copy(parent->column, sizeof parent->column, get_text(reader));
    parent->slot = (uint8_t)get_number_between(reader, 0, UINT8_MAX);
    parent->rows = (uint32_t)get_number_between(reader, 0, UINT32_MAX);
    parent->cover = get_share(reader);
    parent->inorder = get_share(reader);
    parent->used = get_share(reader);
    if (!reader->is_bad && parent->link != LINK_NONE && parent->shape == NULL) parent->shape = memory_strdup(shape);
}

static struct finding *get_finding(struct findings *findings, struct reader *reader)
{
    struct observation observation = {.database = get_text(reader), .user = get_text(reader)};
    observation.route = get_text(reader);
    observation.shape = get_text(reader);
    observation.fingerprint = (uint64_t)get_number(reader);
    observation.verdict = (enum verdict)get_word(reader, verdict_find);
    observation.confidence = (enum confidence)get_word(reader, confidence_find);
    observation.severity = (enum severity)get_number_between(reader, SEVERITY_INFO, SEVERITY_CRITICAL);
    enum unit_kind kind = (enum unit_kind)get_number_between(reader, UNIT_BURST, UNIT_TAG);
    enum framework framework = (enum framework)get_word(reader, find_framework);
    observation.varying_slot = (int)get_number_between(reader, -1, UINT16_MAX);
    if (reader->is_bad) return NULL;
    struct finding *finding = findings_restore(findings, &observation);
    finding->unit_kind = kind;
    finding->framework = framework;
    finding->first_seen_us = get_number_between(reader, 0, INT64_MAX);
    finding->last_seen_us = get_number_between(reader, 0, INT64_MAX);
    finding->route_units_when_seen = (uint64_t)get_number_between(reader, 0, INT64_MAX);
    finding->totals = get_totals(reader);
    finding->sample_us = get_number_between(reader, 0, INT64_MAX);
    copy(finding->sample_address, sizeof finding->sample_address, get_text(reader));
    copy(finding->sample_unit, sizeof finding->sample_unit, get_text(reader));
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

static void get_bucket(struct decoding *decoding, struct reader *reader)
{
    int64_t number = get_number_between(reader, 0, INT64_MAX);
    struct finding_totals totals = get_totals(reader);
    if (decoding->finding == NULL) reader->is_bad = true;
    if (reader->is_bad || !decoding->has_buckets) return;
    decoding->finding->buckets[number % FINDING_BUCKETS] = (struct finding_bucket){.number = number, .totals = totals};
}

static void get_sample(struct decoding *decoding, struct reader *reader)
{
    int64_t bucket = get_number_between(reader, 0, INT64_MAX);
    uint32_t n = (uint32_t)get_number_between(reader, 1, UINT32_MAX);
    struct finding *finding = decoding->finding;
    if (finding == NULL) reader->is_bad = true;
    if (reader->is_bad) return;
    /* Of other buckets the number says nothing, but the sample is still one of all times. */
    finding->samples[finding->next_sample++ % FINDING_SAMPLES] =
        (struct finding_sample){.bucket = decoding->has_buckets ? bucket : 0, .n = n};
}

static void get_route(struct decoding *decoding, struct reader *reader)
{
    const char *database = get_text(reader), *user = get_text(reader), *route = get_text(reader);
    uint64_t units = (uint64_t)get_number_between(reader, 0, INT64_MAX);
    int64_t last_us = get_number_between(reader, 0, INT64_MAX);
    if (reader->is_bad) return;
    decoding->route = findings_restore_route(decoding->findings, database, user, route);
    decoding->route->units = units;
    decoding->route->last_us = last_us;
}

static void get_route_bucket(struct decoding *decoding, struct reader *reader)
{
    int64_t number = get_number_between(reader, 0, INT64_MAX);
    uint32_t units = (uint32_t)get_number_between(reader, 1, UINT32_MAX);
    if (decoding->route == NULL) reader->is_bad = true;
    if (reader->is_bad || !decoding->has_buckets) return;
    decoding->route->buckets[number % FINDING_BUCKETS] = (struct finding_route_bucket){.number = number, .units = units};
}

static bool decode_line(struct decoding *decoding, char *line)
{
    struct reader reader = read_line(line);
    const char *kind = get_text(&reader);
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
    return !reader.is_bad && reader.next == reader.count;
}

static bool decode_header(struct decoding *decoding, char *line)
{
    struct reader reader = read_line(line);
    if (strcmp(get_text(&reader), header) != 0 || get_number(&reader) != version) return false;
    decoding->has_buckets = get_number(&reader) == findings_bucket_us(decoding->findings);
    return !reader.is_bad && reader.next == reader.count;
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

/* ---- files ---- */

static int write_all(int file, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -1;
        text += written;
        size -= (size_t)written;
    }
    return 0;
}

int findings_write(const char *path, const char *text, size_t size, struct error *error)
{
    char *new_path = memory_alloc(strlen(path) + sizeof ".new");
    int result = -1;
    stpcpy(stpcpy(new_path, path), ".new");
    int file = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        error_set(error, "", "cannot write %s: %s", new_path, strerror(errno));
        goto done;
    }
    bool is_written = write_all(file, text, size) == 0 && fsync(file) == 0;
    if (close(file) != 0) is_written = false;
    if (!is_written || rename(new_path, path) != 0) {
        error_set(error, "", "cannot write %s: %s", path, strerror(errno));
        (void)unlink(new_path);
        goto done;
    }
    result = 0;
done:
    free(new_path);
    return result;
}

int findings_save(const struct findings *findings, const char *path, struct error *error)
{
    size_t size;
    char *text = findings_encode(findings, &size);
    int result = findings_write(path, text, size, error);
    free(text);
    return result;
}

int findings_load(struct findings *findings, const char *path, struct error *error)
{
    int result = -1;
    char *text = NULL;
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        if (errno == ENOENT) return 0;
        error_set(error, "", "cannot read %s: %s", path, strerror(errno));
        return -1;
    }
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > FILE_SIZE_MAX) {
        error_set(error, "", "%s is no file of findings", path);
        goto done;
    }
    size_t size = (size_t)status.st_size, used = 0;
    text = memory_alloc(size + 1);
    while (used < size) {
        ssize_t got = read(file, text + used, size - used);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        used += (size_t)got;
    }
    struct error why;
    result = findings_decode(findings, text, used, &why);
    if (result != 0) error_set(error, "", "%s: %s", path, why.text);
done:
    free(text);
    (void)close(file);
    return result;
}
