#include "proxy/statement_templates.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct sql_value_key key = {{1, 2}};
static struct statement_templates *templates;
static struct sql_fingerprint fingerprint;
static struct statement_slots slots;
static struct statement_source sources[SQL_LITERALS_MAX];
static struct statement_slots found;
static struct statement_source found_sources[SQL_LITERALS_MAX];
static uint64_t hint;

static void start(void)
{
    templates = statement_templates_new(&key, 1024 * 1024);
    hint = 0;
}

static void end(void)
{
    statement_templates_free(&templates);
    cr_expect_null(templates);
}

TestSuite(statement_templates, .init = start, .fini = end, .timeout = 60);

static void read_text(const char *text, enum sql_strings strings)
{
    struct sql_fingerprint_scan scan;
    sql_fingerprint_init(&scan, text, strlen(text), strings, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &fingerprint));
    statement_slots_read(&slots, sources, &fingerprint, text, &key);
}

static void add(const char *text)
{
    read_text(text, SQL_STRINGS_STANDARD);
    statement_templates_add(templates, text, strlen(text), SQL_STRINGS_STANDARD, &fingerprint, &slots);
}

static bool finds(const char *text)
{
    return statement_templates_find(templates, text, strlen(text), SQL_STRINGS_STANDARD, &hint, &found, found_sources);
}

/* Found, and just what reading it says. */
static void expect_as_read(const char *text)
{
    cr_assert(finds(text), "%s", text);
    read_text(text, SQL_STRINGS_STANDARD);
    cr_expect_eq(found.fingerprint, slots.fingerprint);
    cr_expect_eq(found.list_length, slots.list_length);
    cr_expect_eq(found.slot_count, slots.slot_count);
    cr_expect_eq(found.has_list, slots.has_list);
    cr_expect_eq(found.is_incomplete, slots.is_incomplete);
    cr_expect_eq(found.rest, slots.rest);
    cr_assert_eq(found.source_count, slots.source_count);
    for (uint16_t i = 0; i < slots.source_count; i++) {
        cr_expect_eq(found.sources[i].hash, slots.sources[i].hash, "%s: %u", text, i);
        cr_expect_eq(found.sources[i].slot, slots.sources[i].slot);
        cr_expect_eq(found.sources[i].role, slots.sources[i].role);
        cr_expect_eq(found.sources[i].parameter, slots.sources[i].parameter);
    }
}

Test(statement_templates, other_literals_are_found_with_their_hashes)
{
    add("SELECT a FROM t WHERE s = 'x' AND n > -5 AND b IN (1, 2) AND c IS NULL LIMIT 21 OFFSET 40");
    expect_as_read("SELECT a FROM t WHERE s = 'x' AND n > -5 AND b IN (1, 2) AND c IS NULL LIMIT 21 OFFSET 40");
    expect_as_read("SELECT a FROM t WHERE s = 'it''s' AND n > -4711 AND b IN (100, 0) AND c IS NULL LIMIT 1 OFFSET 0");
    cr_expect_not(finds("SELECT a FROM t WHERE s = 'x' AND n > 5 AND b IN (1, 2) AND c IS NULL LIMIT 21 OFFSET 40"));
    add("INSERT INTO t (a, b, c) VALUES (1, 'x', NULL), (2, 'y', 1.5)");
    expect_as_read("INSERT INTO t (a, b, c) VALUES (11, '', NULL), (22, 'yy', 11.25)");
    expect_as_read("SELECT a FROM t WHERE s = '' AND n > -1 AND b IN (7, 7) AND c IS NULL LIMIT 2 OFFSET 3");
}

Test(statement_templates, how_strings_are_read_is_part_of_it)
{
    static const char text[] = "SELECT a FROM t WHERE n = 5";
    add(text);
    cr_expect(finds(text));
    cr_expect_not(statement_templates_find(templates, text, strlen(text), SQL_STRINGS_BACKSLASH, &hint, &found, found_sources));
}

Test(statement_templates, what_is_not_kept)
{
    static const char *const texts[] = {"EXECUTE p(1)", "PREPARE p AS SELECT 1 FROM t", "SAVEPOINT s1", "SET x = 5", "BEGIN"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        add(texts[i]);
        cr_expect_not(finds(texts[i]), "%s", texts[i]);
    }
    char many[2048] = "SELECT a FROM t WHERE b IN (0";
    for (int i = 1; i <= SQL_LITERALS_MAX; i++) sprintf(many + strlen(many), ", %d", i);
    strcat(many, ")");
    add(many);
    cr_expect_not(finds(many));
    cr_expect_eq(statement_templates_bytes(templates), 0);
}

Test(statement_templates, a_shape_with_ever_other_texts_takes_one_place)
{
    char text[128];
    add("SELECT a FROM t WHERE n = 5");
    add("SELECT a FROM t WHERE s = E'0'");
    size_t bytes = statement_templates_bytes(templates);
    for (int i = 1; i < 1000; i++) {
        snprintf(text, sizeof text, "SELECT a FROM t WHERE s = E'%d'", i % 10);
        add(text);
    }
    cr_expect_eq(statement_templates_bytes(templates), bytes);
    cr_expect(finds("SELECT a FROM t WHERE n = 6"), "it is still there");
}

/* Texts of one beginning share a bucket: those in use stay. */
Test(statement_templates, those_in_use_stay)
{
    char text[128];
    add("SELECT a FROM t WHERE n = 5");
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "SELECT a FROM t WHERE n = 5 AND m%d = 6", i);
        add(text);
        cr_expect(finds("SELECT a FROM t WHERE n = 7"), "%d", i);
    }
}

Test(statement_templates, memory_is_bounded)
{
    static char text[8192];
    for (int i = 0; i < 20000; i++) {
        int size = snprintf(text, sizeof text, "SELECT %c%c%c, ", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676 % 26);
        memset(text + size, 'x', 4000);
        strcpy(text + size + 4000, " FROM t WHERE n = 5");
        add(text);
        cr_assert_leq(statement_templates_bytes(templates), 1024 * 1024);
    }
    cr_expect_gt(statement_templates_bytes(templates), 512 * 1024);
}
