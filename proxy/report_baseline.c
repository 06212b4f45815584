/*
 * Baselines of the report: which findings a build may have. Counts are not compared: a finding is covered, or it is not.
 */
#include "proxy/report_baseline.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "proxy/memory.h"
#include "proxy/report.h"

enum { ID_SIZE = 16, FILE_SIZE_MAX = 64 * 1024 * 1024 };

struct entry {
    char id[ID_SIZE + 1];
    UT_hash_handle hh;
};
struct report_baseline {
    struct entry *entries;
};

static bool is_id(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isxdigit((unsigned char)text[i])) return false;
    return size == ID_SIZE;
}

static void add(struct report_baseline *baseline, const char *id)
{
    struct entry *entry = memory_zalloc(sizeof *entry), *known;
    for (size_t i = 0; i < ID_SIZE; i++) entry->id[i] = (char)tolower((unsigned char)id[i]);
    HASH_FIND_STR(baseline->entries, entry->id, known);
    if (known)
        free(entry);
    else
        HASH_ADD_STR(baseline->entries, id, entry);
}

/* NULL with errno. The text has a NUL behind it. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    char *text = NULL;
    size_t size = 0, got = 1;
    while (got > 0 && size < FILE_SIZE_MAX) {
        enum { STEP = 65536 };
        text = memory_realloc(text, size + STEP + 1);
        got = fread(text + size, 1, STEP, file);
        size += got;
    }
    int why = ferror(file) ? EIO : size >= FILE_SIZE_MAX ? EFBIG : 0;
    fclose(file);
    text[size] = '\0';
    if (why) {
        free(text);
        text = NULL;
        errno = why;
    }
    return text;
}

static int read_json(struct report_baseline *baseline, const char *path, const char *text, struct error *error)
{
    cJSON *report = cJSON_Parse(text);
    const cJSON *findings = cJSON_IsArray(report) ? report : cJSON_GetObjectItemCaseSensitive(report, "findings"), *finding;
    if (!cJSON_IsArray(findings)) {
        error_set(error, "", report ? "%s: not a report: it has no array \"findings\"" : "%s: this is no JSON, or not all of it", path);
        cJSON_Delete(report);
        return -1;
    }
    int result = 0;
    cJSON_ArrayForEach(finding, findings)
    {
        const cJSON *id = cJSON_IsString(finding) ? finding : cJSON_GetObjectItemCaseSensitive(finding, "id");
        if (cJSON_IsString(id) && is_id(id->valuestring, strlen(id->valuestring))) {
            add(baseline, id->valuestring);
        } else {
            error_set(error, "", "%s: one of the findings has no id of 16 hexadecimal digits", path);
            result = -1;
        }
    }
    cJSON_Delete(report);
    return result;
}

static int read_list(struct report_baseline *baseline, const char *path, char *text, struct error *error)
{
    unsigned number = 0;
    for (char *line; (line = strsep(&text, "\n"));) {
        number++;
        line += strspn(line, " \t\r");
        size_t size = strcspn(line, " \t\r#");
        if (size == 0) continue;
        if (!is_id(line, size)) {
            error_set(error, "", "%s:%u: \"%.*s\" is no id of a finding (16 hexadecimal digits)", path, number,
                      (int)(size < 64 ? size : 64), line);
            return -1;
        }
        add(baseline, line);
    }
    return 0;
}

struct report_baseline *report_baseline_read(const char *path, struct error *error)
{
    char *text = read_file(path);
    if (!text) {
        error_set(error, "", "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct report_baseline *baseline = memory_zalloc(sizeof *baseline);
    char first = text[strspn(text, " \t\r\n")];
    int failed = first == '{' || first == '[' ? read_json(baseline, path, text, error) : read_list(baseline, path, text, error);
    free(text);
    if (failed) report_baseline_free(&baseline);
    return baseline;
}

void report_baseline_free(struct report_baseline **baseline_pointer)
{
    struct report_baseline *baseline = *baseline_pointer;
    *baseline_pointer = NULL;
    if (!baseline) return;
    struct entry *entry, *next;
    HASH_ITER(hh, baseline->entries, entry, next) {
        HASH_DEL(baseline->entries, entry);
        free(entry);
    }
    free(baseline);
}

static bool covers(const struct report_baseline *baseline, const char *id)
{
    const struct entry *entry;
    HASH_FIND_STR(baseline->entries, id, entry);
    return entry != NULL;
}

static bool needs_cover(const struct text_table *table, size_t row)
{
    const char *trend = text_table_cell(table, row, text_table_find(table, "trend"));
    const char *severity = text_table_cell(table, row, text_table_find(table, "severity"));
    return strcmp(trend, trend_word(TREND_GONE)) != 0 && strcmp(severity, severity_word(SEVERITY_INFO)) != 0;
}

struct text_table *report_baseline_uncovered(const struct report_baseline *baseline, const struct text_table *table)
{
    size_t columns = text_table_columns(table), id = text_table_find(table, "id");
    struct text_table *uncovered = text_table_copy_head(table);
    for (size_t row = 0; row < text_table_rows(table); row++) {
        if (!needs_cover(table, row) || covers(baseline, text_table_cell(table, row, id))) continue;
        for (size_t column = 0; column < columns; column++) {
            const char *cell = text_table_cell(table, row, column);
            text_table_add(uncovered, *cell ? cell : NULL);
        }
    }
    return uncovered;
}
