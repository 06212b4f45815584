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

/* `element` takes a number. */
__attribute__((format(printf, 4, 0))) static void write_list(char *text, const char *before, int count, const char *element,
                                                             const char *behind)
{
    size_t size = (size_t)sprintf(text, "%s", before);
    for (int i = 0; i < count; i++) {
        if (i > 0) size += (size_t)sprintf(text + size, ", ");
        size += (size_t)sprintf(text + size, element, i * 7);
    }
    strcpy(text + size, behind);
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
    char many[4096] = "SELECT a FROM t WHERE b = 0";
    for (int i = 1; i <= SQL_LITERALS_MAX; i++) sprintf(many + strlen(many), " OR b = %d", i);
    add(many);
    cr_expect_not(finds(many));
    write_list(many, "SELECT a FROM t WHERE b IN (", 100, "now(), %d", ")"); /* no list of literals */
    add(many);
    cr_expect_not(finds(many));
    write_list(many, "SELECT a FROM t WHERE b IN (", 100, "E'%d'", ")"); /* no plain ones */
    add(many);
    cr_expect_not(finds(many));
    write_list(many, "SELECT a FROM t WHERE b IN (/* */", 100, "%d", ")"); /* not read at once */
    add(many);
    cr_expect_not(finds(many));
    cr_expect_eq(statement_templates_bytes(templates), 0);
}

Test(statement_templates, long_lists_of_any_length)
{
    static char text[65536];
    write_list(text, "SELECT a FROM t WHERE s = 'x' AND b IN (", 100, "%d", ") AND c = 5");
    add(text);
    expect_as_read(text);
    write_list(text, "SELECT a FROM t WHERE s = 'yy' AND b IN (", 65, "%d", ") AND c = 77");
    expect_as_read(text);
    write_list(text, "SELECT a FROM t WHERE s = '' AND b IN (", 3000, "'it''s %d'", ") AND c = 0");
    expect_as_read(text);
    write_list(text, "SELECT a FROM t WHERE s = '' AND b IN (", 300, "-1.5, NULL, '%d'::numeric(10, 2)", ") AND c = 0");
    expect_as_read(text);
    write_list(text, "SELECT a FROM t WHERE s = '' AND b IN (", 64, "%d", ") AND c = 0");
    cr_expect_not(finds(text), "short");
    write_list(text, "SELECT a FROM t WHERE s = '' AND b IN (", 100, "- %d", ") AND c = 0");
    cr_expect_not(finds(text), "not plain");
    write_list(text, "SELECT a FROM t WHERE s = '' AND b IN (", 100, "%d", ") AND c = 'x'");
    cr_expect_not(finds(text), "another kind behind it");
    write_list(text, "SELECT a FROM t WHERE s = '' AND b IN (", 100, "%d", ") AND c = 0)");
    cr_expect_not(finds(text));

    write_list(text, "INSERT INTO t (a, b) VALUES ", 200, "(%d, 'x')", "");
    add(text);
    write_list(text, "INSERT INTO t (a, b) VALUES ", 64, "(%d, DEFAULT), (NULL, -2.5)", "");
    expect_as_read(text);
    write_list(text, "INSERT INTO t (a, b) VALUES ", 64, "(%d, DEFAULT)", "");
    cr_expect_not(finds(text), "DEFAULT is no literal");
    write_list(text, "INSERT INTO t (a, b) VALUES ", 100, "(%d)", " /* */, (5)");
    cr_expect_not(finds(text), "other rows behind it");
    write_list(text, "SELECT a FROM t WHERE b = ANY(ARRAY[", 200, "%d", "])");
    add(text);
    write_list(text, "SELECT a FROM t WHERE b = ANY(ARRAY[", 2000, "%d", "])");
    expect_as_read(text);
}

/* The list of which the length is asked may be another one. */
Test(statement_templates, long_and_short_lists)
{
    char text[8192];
    strcpy(text, "SELECT a FROM t WHERE b IN (1, 2, 3, 4, 5, 6, 7, 8, 9) AND c IN (SELECT * FROM (VALUES (0");
    size_t size = strlen(text);
    for (int i = 1; i < 70; i++) sprintf(text + strlen(text), ", %d", i);
    strcat(text, ")) v)");
    add(text);
    cr_expect_eq(slots.list_length, 9);
    expect_as_read(text);
    text[size] = '\0';
    for (int i = 1; i < 90; i++) sprintf(text + strlen(text), i == 50 ? "), (%d" : ", %d", i);
    strcat(text, ")) v)");
    expect_as_read(text);
    cr_expect_eq(found.list_length, 9);
    text[size] = '\0';
    for (int i = 1; i < 90; i++) sprintf(text + strlen(text), "), (%d", i);
    strcat(text, ")) v)");
    expect_as_read(text);
    cr_expect_eq(found.list_length, 90);
}

/* What is kept of a list is the place where it was. */
Test(statement_templates, a_list_takes_no_memory)
{
    static char text[65536];
    write_list(text, "SELECT a FROM t WHERE b IN (", 100, "%d", ")");
    add(text);
    size_t bytes = statement_templates_bytes(templates);
    cr_expect_gt(bytes, 0);
    cr_expect_lt(bytes, 1000);
    write_list(text, "SELECT c FROM t WHERE b IN (", 5000, "%d", ")");
    add(text);
    cr_expect_eq(statement_templates_bytes(templates), 2 * bytes);
    cr_expect(finds(text));
}

/* Short lists of ever other lengths are other texts; they do not take its place. */
Test(statement_templates, a_template_for_long_lists_stays)
{
    char text[8192];
    write_list(text, "SELECT a FROM t WHERE b IN (", 100, "%d", ")");
    add(text);
    for (int i = 0; i < 1000; i++) {
        write_list(text, "SELECT a FROM t WHERE b IN (", 1 + i % 64, "%d", ")");
        add(text);
    }
    write_list(text, "SELECT a FROM t WHERE b IN (", 200, "%d", ")");
    cr_expect(finds(text));
}

/* A backslash may take the quote's meaning there. */
Test(statement_templates, strings_with_backslashes_are_no_holes)
{
    static const char first[] = "SELECT a FROM t WHERE s = 'x' AND n = 5", second[] = "SELECT a FROM t WHERE s = 'y' AND n = 5",
                      third[] = "SELECT a FROM t WHERE s = 'x' AND n = 6";
    read_text(first, SQL_STRINGS_BACKSLASH);
    statement_templates_add(templates, first, strlen(first), SQL_STRINGS_BACKSLASH, &fingerprint, &slots);
    cr_expect_not(statement_templates_find(templates, second, strlen(second), SQL_STRINGS_BACKSLASH, &hint, &found, found_sources));
    cr_expect(statement_templates_find(templates, third, strlen(third), SQL_STRINGS_BACKSLASH, &hint, &found, found_sources));
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
