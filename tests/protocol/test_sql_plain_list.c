/*
 * protocol/sql_plain_list.h and sql_byte_masks.h: what is a plain list; that the ways to read one are the same; and for mutated lists that what is plain is what
 * reading by tokens says. All texts end where the readable memory does.
 */
#include "protocol/sql_plain_list.h"

#include "protocol/sql_byte_masks.h"
#include "protocol/sql_fingerprint.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXT_SIZE_MAX = 16000 };

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t random_below(uint32_t limit)
{
    return random_numbers_below(&random_state, limit);
}

/* ---- the end of what can be read ---- */

static char *readable_end;

static void map_pages(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t size = (TEXT_SIZE_MAX / page + 2) * page;
    char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)pages, MAP_FAILED);
    readable_end = pages + size - page;
    cr_assert_eq(mprotect(readable_end, page, PROT_NONE), 0);
}

TestSuite(sql_plain_list, .init = map_pages);

static const char *at_the_end(const char *text, size_t size)
{
    return memcpy(readable_end - size, text, size);
}

/* ---- masks ---- */

static uint64_t reference_mask(const char *block, const char *bytes)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < SQL_BLOCK_SIZE; i++) {
        if (block[i] != '\0' && strchr(bytes, block[i]) != NULL) mask |= UINT64_C(1) << i;
    }
    return mask;
}

/* What sql_byte_masks.h has as a table. */
static bool may_stand_behind(char before, char byte, char closing)
{
    const char *behind = "";
    bool is_digit = byte >= '0' && byte <= '9';
    if (before >= '0' && before <= '9') return is_digit || (byte != '\0' && (strchr(".,", byte) != NULL || byte == closing));
    if (before == closing) return byte == ',';
    switch (before) {
    case '\'': return byte == '\'' || byte == ',' || byte == closing;
    case ',': behind = "'-( "; break;
    case ' ': behind = "'-("; break;
    case '(': behind = "'- "; break;
    case '.':
    case '-': break;
    default: return false;
    }
    return is_digit || (byte != '\0' && strchr(behind, byte) != NULL);
}

static void expect_masks(const struct sql_byte_masks *masks, const char *block, char closing)
{
    const char known[] = {'0', '9', '5', '\'', ',', ' ', '(', '.', '-', closing};
    for (size_t i = 0; i < SQL_BLOCK_SIZE; i++) {
        char before = block[i - 1];
        bool is_known = (before != ']' && memchr(known, before, sizeof known) != NULL) || (before >= '0' && before <= '9');
        bool is_known_byte = memchr(known, block[i], sizeof known) != NULL || (block[i] >= '0' && block[i] <= '9');
        bool is_bad = masks->bad >> i & 1;
        if (!is_known_byte) cr_assert(is_bad, "%02x", (uint8_t)block[i]);
        if (is_known)
            cr_assert_eq(is_bad, !may_stand_behind(before, block[i], closing), "%02x behind %02x", (uint8_t)block[i], (uint8_t)before);
    }
    cr_assert_eq(masks->quotes, reference_mask(block, "'"));
    cr_assert_eq(masks->dots, reference_mask(block, "."));
    cr_assert_eq(masks->commas, reference_mask(block, ","));
    cr_assert_eq(masks->opens, reference_mask(block, "("));
    cr_assert_eq(masks->closes, reference_mask(block, closing == ')' ? ")" : "]"));
}

/* Of a byte and the block behind it. */
static void check_masks(const char *bytes)
{
    const char *block = at_the_end(bytes, 1 + SQL_BLOCK_SIZE) + 1;
    for (int is_array = 0; is_array < 2; is_array++) {
        char closing = is_array ? ']' : ')';
        struct sql_byte_masks masks;
        sql_byte_masks_by_lanes(block, is_array, &masks);
        expect_masks(&masks, block, closing);
#ifdef SQL_HAS_AVX2
        if (!sql_can_avx2()) continue;
        sql_byte_masks_by_avx2(block, &sql_avx2_tables[is_array], &masks);
        expect_masks(&masks, block, closing);
#endif
    }
}

Test(sql_plain_list, masks_are_of_the_bytes)
{
    static const char likely[] = "0123456789',.()[] -";
    char bytes[1 + SQL_BLOCK_SIZE];
    for (int before = 0; before < 256; before++) {
        for (int byte = 0; byte < 256; byte += SQL_BLOCK_SIZE / 2) {
            for (size_t at = 0; at < sizeof bytes; at++) bytes[at] = (char)(at % 2 == 0 ? before : byte + (int)at / 2);
            check_masks(bytes);
        }
    }
    for (int i = 0; i < 5000; i++) {
        for (size_t at = 0; at < sizeof bytes; at++)
            bytes[at] = random_below(8) == 0 ? (char)random_below(256) : likely[random_below(sizeof likely - 1)];
        check_masks(bytes);
    }
}

#ifdef SQL_HAS_AVX2
Test(sql_plain_list, integers_in_one_go)
{
    static const char likely[] = "123456,  ,, -.'()ax\n";
    char bytes[1 + SQL_INTEGERS_SIZE];
    if (!sql_can_avx2()) cr_skip_test("no AVX2");
    for (int i = 0; i < 50000; i++) {
        uint32_t commas = 0, counted = 7;
        bool are_integers = true;
        size_t number = random_below(6);
        bytes[0] = '5';
        for (size_t at = 1; at < sizeof bytes; at++) {
            char before = bytes[at - 1];
            bytes[at] = before == ',' && random_below(2) == 0 ? ' ' : (char)('0' + random_below(10));
            if (before >= '0' && before <= '9' && random_below(8) < number) bytes[at] = ',';
        }
        if (random_below(2) == 0) bytes[1 + random_below(SQL_INTEGERS_SIZE)] = likely[random_below(sizeof likely - 1)];
        if (random_below(100) == 0) bytes[1 + random_below(SQL_INTEGERS_SIZE)] = (char)random_below(256);
        for (size_t at = 1; at < sizeof bytes; at++) {
            char before = bytes[at - 1];
            bool is_digit = bytes[at] >= '0' && bytes[at] <= '9';
            are_integers &= is_digit || (bytes[at] == ',' && before != ',' && before != ' ') || (bytes[at] == ' ' && before == ',');
            commas += bytes[at] == ',';
        }
        const char *copy = at_the_end(bytes, sizeof bytes);
        cr_assert_eq(sql_avx2_are_integers(copy + 1, &sql_avx2_tables[0], &counted), are_integers, "%.129s", bytes);
        if (are_integers) cr_assert_eq(counted, commas + 7);
    }
}
#endif

Test(sql_plain_list, parity_and_count)
{
    for (int i = 0; i < 5000; i++) {
        uint64_t mask = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(UINT32_MAX);
        if (random_below(2) == 0) mask &= (uint64_t)random_below(UINT32_MAX) << random_below(64);
        uint64_t parity = 0;
        uint32_t count = 0;
        for (unsigned bit = 0; bit < 64; bit++) {
            count += (uint32_t)(mask >> bit & 1);
            parity |= (uint64_t)(count & 1) << bit;
        }
        cr_assert_eq(sql_parity(mask), parity);
        cr_assert_eq(sql_count(mask), count);
#ifdef SQL_HAS_AVX2
        if (sql_can_avx2()) cr_assert_eq(sql_avx2_parity(mask), parity);
#endif
    }
}

/* ---- lists ---- */

/* Of the text, which is copied; both ways are the same. */
static bool read_list(const char *text, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out)
{
    size_t size = strlen(text);
    const char *copy = at_the_end(text, size);
    struct sql_plain_list other = {0};
    *out = (struct sql_plain_list){0};
    bool is_list = sql_plain_list(copy, size, start, kind, out);
    cr_assert_eq(sql_plain_list_by_lanes(copy, size, start, kind, &other), is_list, "%s", text);
    if (!is_list) return false;
    cr_assert_eq(other.end, out->end, "%s", text);
    cr_assert_eq(other.length, out->length, "%s", text);
    cr_assert_eq(other.literal_count, out->literal_count, "%s", text);
    return true;
}

static enum sql_plain_list_kind kind_of(const char *text)
{
    if (*text == '[') return SQL_PLAIN_ARRAY;
    return text[1] == '|' ? SQL_PLAIN_ROWS : SQL_PLAIN_LIST;
}

/* "(" and "[" begin a list, "(|" rows. The list stands at each place of a block, and has blocks of integers in front. */
static void expect(const char *list, bool is_plain, uint32_t length, uint32_t literal_count)
{
    char text[2000];
    bool are_rows = kind_of(list) == SQL_PLAIN_ROWS;
    for (uint32_t shift = 0; shift < 140; shift++) {
        struct sql_plain_list found;
        size_t size = 0;
        text[size++] = *list;
        for (uint32_t i = 0; i < shift; i++) text[size + i] = i % 5 == 4 && i + 1 < shift ? ',' : (char)('0' + i % 5);
        size += shift;
        if (shift > 0) size += (size_t)sprintf(text + size, are_rows ? "),(" : ",");
        strcpy(text + size, list + 1 + are_rows);
        cr_assert_eq(read_list(text, 1, kind_of(list), &found), is_plain, "%u: %s", shift, text);
        if (!is_plain) continue;
        uint32_t more = shift == 0 ? 0 : 1;
        for (uint32_t i = 0; i < shift; i++) more += i % 5 == 4 && i + 1 < shift;
        cr_assert_eq(found.length, length + (are_rows ? shift > 0 : more), "%s", text);
        cr_assert_eq(found.literal_count, literal_count + more, "%s", text);
        size_t end = strlen(text) - strlen(strrchr(list, '!') ? strrchr(list, '!') : "") - 1;
        cr_assert_eq(found.end, end, "%s: %zu, %zu", text, found.end, end);
    }
}

Test(sql_plain_list, what_is_plain)
{
    expect("(1)", true, 1, 1);
    expect("(1, 22,333,  4444,\n5)", true, 5, 5);
    expect("( 1,2)", true, 2, 2);
    expect("(\n  1 ,\t2 , 3\n)", true, 3, 3);
    expect("[1 , 2 ]", true, 2, 2);
    expect("(|1, 'a' ),\n\t( 2,null),  ( 3.5, true)", true, 3, 6);
    expect("(|'2'::numeric(3, 1),\n 5),\r\n(3,  default)", true, 2, 3);
    expect("[1, 2]", true, 2, 2);
    expect("['a', '[b]', ']']", true, 3, 3);
    expect("('a','b', 'it''s', '', '''', ',(1)')", true, 6, 6);
    expect("(1.5, -2, -3.25, 00)", true, 4, 4);
    expect("(null, NULL, true, False)", true, 4, 4);
    expect("('2024-01-01'::date, '2024-01-02'::date, 5::int, null::text)", true, 4, 4);
    expect("('1'::numeric(10, 2), '2'::numeric(10, 2), 'x'::character varying, '1'::pg_catalog.int4::text)", true, 4, 4);
    expect("('a'::timestamp with time zone, 'b'::timestamp with time zone)", true, 2, 2);
    expect("('x'::\"a-b\", 'y'::\"a-b\")", true, 2, 2);
    expect("(|1, 'a')", true, 1, 2);
    expect("(|1, 'a'), (2, 'b'),(3, NULL),\n(4, DEFAULT),   (default, -1.5)", true, 5, 8);
    expect("(|'),(')", true, 1, 1);
    expect("(|1), ('2'::numeric(3, 1)), (3)", true, 3, 3);
    expect("(1)!, (2) 'x", true, 1, 1);
    expect("(|1), (2)! returning 'x', \"y\", 5 + 1.", true, 2, 2);
    expect("(|1), (2)!", true, 2, 2);
}

Test(sql_plain_list, what_is_not)
{
    static const char *const lists[] = {"()",
                                        "(1",
                                        "(1,",
                                        "(1,)",
                                        "(,1)",
                                        "(1,,2)",

                                        "(1 2)",
                                        "(1 , )",
                                        "(1\n2)",
                                        "( )",
                                        "(1, \n, 2)",
                                        "('a' 5)",
                                        "(1. 5)",
                                        "(|1),\n 2",
                                        "(|1 ) , (2)",
                                        "(|1,\n(2))",
                                        "(|'1'::numeric(3, 1),\n(5))",
                                        "(|1),  2, (3)",

                                        "(- 1)",
                                        "(--1)",
                                        "(+1)",
                                        "(1.)",
                                        "(.5)",
                                        "(1..2)",
                                        "(1.2.3)",
                                        "(1.2.)",
                                        "(1e5)",
                                        "(0x1f)",
                                        "(1_0)",
                                        "(1a)",
                                        "(a)",
                                        "('a)",
                                        "('a'b)",
                                        "('a' 'b')",
                                        "('a'\n'b')",
                                        "('a'1)",
                                        "(1'a')",
                                        "('a'.5)",
                                        "('a'-5)",
                                        "(E'a')",
                                        "(n'a')",
                                        "($1)",
                                        "(1, $1)",
                                        "((1))",
                                        "(1, (2))",
                                        "(1 -- x\n, 2)",
                                        "(1 /* x */)",
                                        "(/**/1)",
                                        "(1;2)",
                                        "(now())",
                                        "(\xc3\xa4)",

                                        "(5 - 3)",
                                        "(5-3)",
                                        "(1, -)",
                                        "(-'a')",
                                        "(-null)",
                                        "(nul)",
                                        "(nulls)",
                                        "(null5)",
                                        "(5null)",
                                        "('a'null)",
                                        "(default)",
                                        "(null null)",
                                        "(true::)",
                                        "('a'::)",
                                        "('a'::5)",
                                        "('a':b)",
                                        "('a'::b c)",
                                        "('a'::\"b')",
                                        "('a'::date 'b')",
                                        "(:: date)",
                                        "(,::date)",
                                        "[1)",
                                        "(1]",
                                        "[1, [2]]",
                                        "[(1)]",
                                        "[]",
                                        "(|(1))",
                                        "(|1), 2",
                                        "(|1), (2",
                                        "(|1), (2), ",
                                        "(|1),, (2)",
                                        "(|1), ((2))",
                                        "(|1) , (2)",
                                        "(|1),(2),3",
                                        "(|1,(2))",
                                        "(|1), (),(2)",

                                        "(|1)\n,(2)",
                                        "(|1), 'a' (2)",
                                        "(|1),(2) ,5",
                                        "(|1(2))",
                                        "(|)",
                                        "(|1, )",
                                        "(|default::int)",
                                        "(|1.5.1)",
                                        "(|'a'::U&\"b\" uescape '!')"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) expect(lists[i], false, 0, 0);
}

/* ---- mutated ones ---- */

static const char *const elements[] = {"1",
                                       "23",
                                       "456",
                                       "7890123",
                                       "0",
                                       "'x'",
                                       "'it''s'",
                                       "''",
                                       "-5",
                                       "1.5",
                                       "-0.25",
                                       "null",
                                       "NULL",
                                       "true",
                                       "False",
                                       "'2024-01-01'::date",
                                       "5::int",
                                       "'a, (b)'",
                                       "'a''''b'",
                                       "'1'::numeric(10, 2)",
                                       "'c'::character varying",
                                       "'0b6a8a5e-5d4c-4f11-9c3e-3d1d1c6f0a77'"};
static const char *const pieces[] = {"1",  "'",   "''",   ",",     ", ",   "(",       ")",     "[",  "]",    " ",  "\n", "\t",
                                     ".",  "-",   "::",   "::int", "null", "default", "x",     "$1", "E'",   "\\", ";",  "/**/",
                                     "--", "),(", "), (", "5'",    "'5",   "\xc3",    "1.2.3", "_",  "\x01", ":",  "e5", "now()"};

static size_t write_list(char *text, size_t size, bool are_rows)
{
    uint32_t count = 66 + random_below(100);
    uint32_t columns = 1 + random_below(6);
    bool are_integers = random_below(2) == 0;
    const char *separator = random_below(2) == 0 ? ", " : ",";
    for (uint32_t i = 0; i < count; i++) {
        const char *between = i == 0 ? "" : separator;
        if (i > 0 && are_rows && i % columns == 0) between = random_below(2) == 0 ? "), (" : "),(";
        size += (size_t)sprintf(text + size, "%s", between);
        if (are_integers && random_below(20) != 0) {
            size += (size_t)sprintf(text + size, "%u", random_below(1u << random_below(31)));
        } else if (are_rows && random_below(20) == 0) {
            size += (size_t)sprintf(text + size, "default");
        } else {
            size += (size_t)sprintf(text + size, "%s", elements[random_below(sizeof elements / sizeof elements[0])]);
        }
    }
    return size;
}

static void mutate(char *text, size_t start)
{
    size_t size = strlen(text);
    size_t at = start + random_below((uint32_t)(size - start));
    const char *piece = random_below(4) == 0 ? "" : pieces[random_below(sizeof pieces / sizeof pieces[0])];
    size_t removed = random_below(2) == 0 ? random_below(4) : 0;
    if (removed > size - at) removed = size - at;
    memmove(text + at + strlen(piece), text + at + removed, size - at - removed + 1);
    memcpy(text + at, piece, strlen(piece));
}

struct frame {
    char before[50], behind[20];
    enum sql_plain_list_kind kind;
};
static const struct frame frames[] = {{"select a from t where b = 3 and id in (", ") and c = 5", SQL_PLAIN_LIST},
                                      {"select a from t where id = any(array[", "])", SQL_PLAIN_ARRAY},
                                      {"insert into t values (", ") returning id", SQL_PLAIN_ROWS},
                                      {"insert into t(a, b) values (", ")", SQL_PLAIN_ROWS}};

/* With a comment in front of the list it is read by its tokens. */
static void check_by_token(const struct frame *frame, const char *text, const struct sql_plain_list *list)
{
    static char commented[TEXT_SIZE_MAX + 10];
    static struct sql_fingerprint read;
    struct sql_fingerprint_scan scan;
    size_t start = strlen(frame->before);
    sprintf(commented, "%s/**/%s", frame->before, text + start);
    sql_fingerprint_init(&scan, commented, strlen(commented), SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &read), "%s", text);
    const char *behind = text + list->end + 1;
    bool may_go_on = frame->kind == SQL_PLAIN_ROWS && (strstr(behind, "/*") != NULL || strstr(behind, "--") != NULL);
    if (may_go_on || list->literal_count <= SQL_LITERALS_MAX) return;
    for (uint32_t i = 0; i < read.literal_count && i < SQL_LITERALS_MAX; i++) {
        if (read.literals[i].start != start) continue;
        cr_assert_eq(read.literals[i].kind, SQL_LITERAL_LIST, "%s", text);
        cr_assert_eq(read.literals[i].size, list->end - start + 4, "%s", text);
        cr_assert_eq(frame->kind == SQL_PLAIN_ROWS ? read.row_count : read.list_length, list->length, "%s", text);
        return;
    }
    cr_assert_fail("no list: %s\n%s", text, text + list->end - 5);
}

Test(sql_plain_list, what_is_plain_is_so_by_token, .timeout = 7000)
{
    static char text[TEXT_SIZE_MAX];
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 3000000 : 10000;
    size_t found = 0;
    for (size_t i = 0; i < wanted; i++) {
        const struct frame *frame = &frames[i % (sizeof frames / sizeof frames[0])];
        struct sql_plain_list list;
        size_t start = strlen(frame->before);
        strcpy(text, frame->before);
        write_list(text, start, frame->kind == SQL_PLAIN_ROWS);
        strcat(text, frame->behind);
        cr_assert(read_list(text, start, frame->kind, &list), "%s", text);
        check_by_token(frame, text, &list);
        for (uint32_t mutations = 1 + random_below(3); mutations > 0; mutations--) mutate(text, start);
        if (!read_list(text, start, frame->kind, &list)) continue;
        found++;
        check_by_token(frame, text, &list);
    }
    printf("%zu of %zu mutated lists are plain\n", found, wanted);
    cr_assert_gt(found, wanted / 20);
}

/* Each of its beginnings is none, and nothing behind it is read. */
Test(sql_plain_list, beginnings)
{
    static const char text[] =
        "(1, 'two', 3.0, null, '5'::numeric(10, 2), -6), (11111111111111111, '22222222222222222222', 3.3, true, '5'::int, -7)";
    struct sql_plain_list list;
    size_t row_size = (size_t)(strstr(text, "), (1") + 1 - text);
    for (size_t size = 1; size < sizeof text - 1; size++) {
        const char *copy = at_the_end(text, size);
        bool is_row = size == row_size;
        cr_assert_eq(sql_plain_list(copy, size, 1, SQL_PLAIN_ROWS, &list), is_row, "%zu", size);
        cr_assert_eq(sql_plain_list_by_lanes(copy, size, 1, SQL_PLAIN_ROWS, &list), is_row, "%zu", size);
    }
    cr_assert(read_list(text, 1, SQL_PLAIN_ROWS, &list));
    cr_assert_eq(list.length, 2);
}
