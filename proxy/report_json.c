/*
 * The report as JSON, by cJSON; texts as everywhere (json_text). Names are those of report_columns.def; what begins with "parent_" makes an object.
 */
#include "proxy/report_json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"
#include "proxy/report.h"
#include "proxy/text_buffer.h"

static const char parent_prefix[] = "parent_";
enum { PARENT_PREFIX = sizeof parent_prefix - 1 };

static cJSON *text_of(const char *cell)
{
    struct text_buffer quoted = {0};
    text_buffer_add_json(&quoted, cell);
    cJSON *text = cJSON_CreateRaw(quoted.text);
    text_buffer_fini(&quoted);
    return text;
}

/* Of the lines of a cell. */
static cJSON *array_of(const char *cell)
{
    cJSON *array = cJSON_CreateArray();
    char *lines = memory_strdup(cell);
    for (char *line = lines, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end) *end++ = '\0';
        cJSON_AddItemToArray(array, text_of(line));
    }
    free(lines);
    return array;
}

static cJSON *value_of(const char *cell, enum report_kind kind)
{
    if (*cell == '\0') return cJSON_CreateNull();
    if (kind == REPORT_LIST) return array_of(cell);
    return kind == REPORT_NUMBER || kind == REPORT_REAL ? cJSON_CreateNumber(strtod(cell, NULL)) : text_of(cell);
}

static cJSON *finding_of(const struct text_table *table, size_t row)
{
    size_t count;
    const struct report_column *columns = report_columns(&count);
    cJSON *finding = cJSON_CreateObject(), *parent = NULL;
    for (size_t i = 0; i < count; i++) {
        const char *cell = text_table_cell(table, row, text_table_find(table, columns[i].name));
        bool is_of_parent = strncmp(columns[i].name, parent_prefix, PARENT_PREFIX) == 0;
        if (is_of_parent && !parent) {
            bool has_parent = *text_table_cell(table, row, text_table_find(table, "parent_shape"));
            parent = has_parent ? cJSON_AddObjectToObject(finding, "parent") : cJSON_AddNullToObject(finding, "parent");
        }
        if (!is_of_parent)
            cJSON_AddItemToObject(finding, columns[i].name, value_of(cell, columns[i].kind));
        else if (cJSON_IsObject(parent))
            cJSON_AddItemToObject(parent, columns[i].name + PARENT_PREFIX, value_of(cell, columns[i].kind));
    }
    return finding;
}

char *report_json(const struct text_table *table, int64_t since_us, int64_t now_us)
{
    char time_text[REPORT_TIME_SIZE];
    cJSON *report = cJSON_CreateObject();
    cJSON_AddNumberToObject(report, "version", REPORT_JSON_VERSION);
    report_format_time(now_us, time_text);
    cJSON_AddStringToObject(report, "generated_at", time_text);
    report_format_time(since_us, time_text);
    cJSON_AddItemToObject(report, "since", since_us > 0 ? cJSON_CreateString(time_text) : cJSON_CreateNull());
    cJSON *findings = cJSON_AddArrayToObject(report, "findings");
    for (size_t row = 0; row < text_table_rows(table); row++) cJSON_AddItemToArray(findings, finding_of(table, row));
    char *printed = cJSON_Print(report);
    cJSON_Delete(report);
    char *text = memory_strdup(printed ? printed : "{}");
    cJSON_free(printed);
    return text;
}
