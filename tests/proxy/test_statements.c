#include "proxy/statements.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct statements *table;

static void start(void)
{
    table = statements_new();
}

static void end(void)
{
    cr_expect_eq(statements_count(table), 0, "%zu statements are left", statements_count(table));
    statements_free(&table);
    cr_expect_null(table);
    statements_free(&table);
}

TestSuite(statements, .init = start, .fini = end);

enum { TAIL_MAX = 100000 };

/* The tail of a Parse with this text and these parameter types, given as bytes. */
static size_t write_tail(uint8_t *tail, const char *text, const char *types)
{
    size_t size = strlen(text) + 1, count = strlen(types);
    memcpy(tail, text, size);
    tail[size++] = (uint8_t)(count >> 8);
    tail[size++] = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        memset(tail + size, 0, 3);
        tail[size + 3] = (uint8_t)types[i];
        size += 4;
    }
    return size;
}

/* In a heap block of the right size, so that AddressSanitizer sees what is read behind it, and which is gone afterwards. */
static struct statement *intern_as(const char *text, const char *types, bool is_named, bool is_scannable)
{
    uint8_t *tail = malloc(strlen(text) + 3 + 4 * strlen(types));
    size_t size = write_tail(tail, text, types);
    struct statement *statement =
        statements_intern(table, tail, size, &(struct statement_terms){.is_named = is_named, .is_scannable = is_scannable});
    free(tail);
    return statement;
}

static struct statement *intern(const char *text)
{
    return intern_as(text, "", true, true);
}

static const char *text_of(const struct statement *statement)
{
    return (const char *)statement->tail;
}

static void release(struct statement *statement)
{
    statement_unref(&statement);
    cr_expect_null(statement);
}

Test(statements, keeps_the_tail)
{
    uint8_t tail[64];
    size_t size = write_tail(tail, "select $1 /* x */", "\x17");
    struct statement *statement = intern_as("select $1 /* x */", "\x17", true, true);
    cr_expect_eq(statement->tail_size, size);
    cr_expect_eq(memcmp(statement->tail, tail, size), 0);
    cr_expect_eq(statements_count(table), 1);
    cr_expect_eq(statement_ref(statement), statement);
    release(statement);
    cr_expect_eq(statements_count(table), 1);
    release(statement);
    struct statement *none = NULL;
    statement_unref(&none);
}

struct pair {
    const char *a, *b;
    const char *a_types, *b_types;
    bool is_same;
};

Test(statements, named_identity)
{
    static const struct pair pairs[] = {
        {"select 1", "select 1", "", "", true},
        {"select 1", "select 2", "", "", false},
        {"select 1", "select 1 ", "", "", false},
        {"select 1", "SELECT 1", "", "", false},
        {"select 1", "/* trace=1 */ select 1", "", "", true},
        {"select 1 /* trace=1 */", "select 1 /* trace=2 */", "", "", true},
        {"select 1 -- a", "select 1", "", "", true},
        {"select /*+ a */ 1", "select 1", "", "", false},
        {"select /*+ a */ 1", "select /*+ b */ 1", "", "", false},
        {"select /*+ a */ 1", "select /*+ a */ /* b */ 1", "", "", true},
        {"select '/* a */'", "select '/* b */'", "", "", false},
        {"select '/* a */'", "select '' /* a */", "", "", false},
        {"select 'a' -- x\n'b'", "select 'a' /* x */ 'b'", "", "", false},
        {"select $1", "select $1", "\x17", "\x17", true},
        {"select $1", "select $1", "\x17", "\x14", false},
        {"select $1", "select $1", "\x17", "", false},
        {"select $1, $2", "select $1, $2", "\x17\x14", "\x14\x17", false},
        {"select $1 /* a */", "select $1 /* bb */", "\x17", "\x17", true},
        {"select $1 /* a */", "select $1 /* b */", "\x17", "\x14", false},
        {"", "/* ping */", "", "", true},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        for (int turn = 0; turn < 2; turn++) {
            const struct pair *pair = &pairs[i];
            struct statement *a = turn ? intern_as(pair->b, pair->b_types, true, true) : intern_as(pair->a, pair->a_types, true, true);
            struct statement *b = turn ? intern_as(pair->a, pair->a_types, true, true) : intern_as(pair->b, pair->b_types, true, true);
            cr_expect_eq(a == b, pair->is_same, "%s | %s", pair->a, pair->b);
            cr_expect_eq(strcmp(a->name, b->name) == 0, pair->is_same, "%s | %s", pair->a, pair->b);
            cr_expect_str_eq(text_of(a), turn ? pair->b : pair->a, "the first text is the one kept");
            release(a);
            release(b);
            cr_expect_eq(statements_count(table), 0);
        }
    }
}

Test(statements, unnamed_and_opaque_identity_is_every_byte)
{
    struct statement *named = intern("select 1"), *unnamed = intern_as("select 1", "", false, true),
                     *opaque = intern_as("select 1", "", true, false), *commented = intern_as("select 1 --", "", false, true),
                     *opaque_commented = intern_as("select 1 --", "", true, false), *again = intern_as("select 1", "", false, false);
    cr_expect_eq(statements_count(table), 5);
    cr_expect_neq(named, unnamed);
    cr_expect_neq(named, opaque);
    cr_expect_neq(unnamed, commented);
    cr_expect_neq(opaque, opaque_commented);
    cr_expect_eq(unnamed, again, "where nothing is looked into, is_scannable says nothing");
    cr_expect_str_eq(unnamed->name, "");
    cr_expect_str_eq(commented->name, "");
    cr_expect(statement_is_name(named->name) && statement_is_name(opaque->name));
    cr_expect_str_neq(named->name, opaque->name);
    cr_expect_str_neq(opaque_commented->name, opaque->name);
    release(named), release(unnamed), release(opaque), release(commented), release(opaque_commented), release(again);
}

Test(statements, names)
{
    struct statement *statement = intern("select 1");
    char name[STATEMENT_NAME_SIZE], longer[64];
    memcpy(name, statement->name, sizeof name);
    cr_expect_eq(strlen(name), STATEMENT_NAME_SIZE - 1);
    cr_expect(statement_is_name(name));
    snprintf(longer, sizeof longer, "%s\" does not exist", name);
    cr_expect(statement_is_name(longer));
    for (size_t size = 0; size < STATEMENT_NAME_SIZE - 1; size++) {
        char prefix[STATEMENT_NAME_SIZE] = "";
        memcpy(prefix, name, size);
        cr_expect_not(statement_is_name(prefix), "%s", prefix);
        memcpy(prefix, name, sizeof prefix);
        prefix[size] = 'G';
        cr_expect_not(statement_is_name(prefix), "%s", prefix);
    }
    release(statement);
    statement = intern("select 1 /* later */");
    cr_expect_str_eq(statement->name, name, "the same name after it was away");
    struct statements *elsewhere = statements_new();
    uint8_t tail[64];
    struct statement *other = statements_intern(elsewhere, tail, write_tail(tail, "select 1", ""),
                                                &(struct statement_terms){.is_named = true, .is_scannable = true});
    cr_expect_str_neq(other->name, name, "each table has its own secret");
    release(other);
    release(statement);
    statements_free(&elsewhere);
}

/* Nobody can make two texts of one 128-bit hash; here a statement is made to have the hash of another by force. */
Test(statements, a_collision_mixes_nothing_up)
{
    enum { SAME_BUCKET = 0xfff };
    struct statement *wanted = intern("select wanted");
    uint64_t hash[2] = {wanted->hash[0], wanted->hash[1]};
    char name[STATEMENT_NAME_SIZE];
    memcpy(name, wanted->name, sizeof name);
    release(wanted);

    struct statement *stranger = NULL;
    for (int i = 0; stranger == NULL; i++) {
        char text[32];
        snprintf(text, sizeof text, "select %d", i);
        stranger = intern(text);
        if ((stranger->hash[0] & SAME_BUCKET) != (hash[0] & SAME_BUCKET)) statement_unref(&stranger);
    }
    memcpy(stranger->hash, hash, sizeof hash);
    memcpy(stranger->name, name, sizeof name);

    wanted = intern("select wanted");
    cr_expect_neq(wanted, stranger);
    cr_expect_str_eq(text_of(wanted), "select wanted");
    cr_expect_str_neq(wanted->name, name);
    cr_expect(statement_is_name(wanted->name));
    struct statement *again = intern("select /* x */ wanted");
    cr_expect_eq(again, wanted);
    release(again);
    char second_name[STATEMENT_NAME_SIZE];
    memcpy(second_name, wanted->name, sizeof second_name);
    release(wanted);
    wanted = intern("select wanted");
    cr_expect_str_neq(wanted->name, name);
    cr_expect_str_neq(wanted->name, second_name, "a name beside the hash is never given twice");
    release(wanted);
    release(stranger);
}

Test(statements, memory_is_shared_and_given_back)
{
    enum { STATEMENTS = 10000, CLIENTS = 1000 };
    static struct statement *held[STATEMENTS];
    size_t text_bytes = 0;
    size_t empty = statements_bytes(table);
    for (int i = 0; i < STATEMENTS; i++) {
        char text[256];
        text_bytes += (size_t)snprintf(text, sizeof text, "select a, b, c from some_table where id = $1 and part = %d", i);
        held[i] = intern(text);
    }
    cr_expect_eq(statements_count(table), STATEMENTS);
    size_t once = statements_bytes(table);
    cr_expect_lt(once, text_bytes + STATEMENTS * (sizeof(struct statement) + 32));
    for (int client = 1; client < CLIENTS; client++)
        for (int i = 0; i < STATEMENTS; i++) statement_ref(held[i]);
    for (int i = 0; i < STATEMENTS; i += 7) {
        char text[256];
        snprintf(text, sizeof text, "select a, b, c from some_table where id = $1 and part = %d", i);
        struct statement *same = intern(text);
        cr_assert_eq(same, held[i]);
        statement_unref(&same);
    }
    cr_expect_eq(statements_bytes(table), once);
    for (int client = 0; client < CLIENTS; client++)
        for (int i = 0; i < STATEMENTS; i++) {
            struct statement *mine = held[i];
            statement_unref(&mine);
        }
    cr_expect_eq(statements_count(table), 0);
    cr_expect_leq(statements_bytes(table), empty + 2 * STATEMENTS * sizeof(void *), "only the buckets stay");
}

Test(statements, a_comment_per_statement_takes_no_memory)
{
    struct statement *kept = intern("select 1 /* 000000 */");
    size_t bytes = statements_bytes(table);
    for (int i = 1; i < 100000; i++) {
        char text[64];
        snprintf(text, sizeof text, "select 1 /* %06d */", i);
        struct statement *same = intern(text);
        cr_assert_eq(same, kept);
        statement_unref(&same);
    }
    cr_expect_eq(statements_bytes(table), bytes);
    release(kept);
}

Test(statements, the_room_for_a_long_text_is_not_kept)
{
    enum { LONG = 1 << 20 };
    size_t empty = statements_bytes(table);
    char *text = malloc(LONG + 1);
    memset(text, 'a', LONG);
    memcpy(text, "/**/", 4);
    text[LONG] = '\0';
    struct statement *a = intern(text), *b = intern(text + 4);
    cr_expect_eq(a, b);
    cr_expect_lt(statements_bytes(table), empty + 2 * (LONG + 256), "the text and its identity");
    release(a);
    release(b);
    cr_expect_eq(statements_bytes(table), empty);
    free(text);
}

/* ---- against a plain list ---- */

Test(statements, behaves_as_a_list_with_counts)
{
    enum { TEXTS = 300, KINDS = 3, VARIANTS = 3, ROUNDS = 300000, HELD_MAX = 2000 };
    static struct statement *held[HELD_MAX];
    static int held_key[HELD_MAX];
    static int references[TEXTS * KINDS];
    static struct statement *known[TEXTS * KINDS];
    int held_count = 0, live = 0;
    uint64_t state = 0x9e3779b97f4a7c15;
    for (int round = 0; round < ROUNDS; round++) {
        bool is_growing = round / 20000 % 2 == 0;
        if (held_count < HELD_MAX && (held_count == 0 || random_numbers_next(&state) % 10 < (is_growing ? 7 : 3))) {
            int number = (int)(random_numbers_next(&state) % TEXTS), kind = (int)(random_numbers_next(&state) % KINDS);
            char text[64];
            /* Only named ones that may be looked into have variants of one identity. */
            int variant = kind == 0 ? (int)(random_numbers_next(&state) % VARIANTS) : 0;
            if (variant == 0)
                snprintf(text, sizeof text, "select %d", number);
            else if (variant == 1)
                snprintf(text, sizeof text, "/* %d */ select %d", round, number);
            else
                snprintf(text, sizeof text, "select %d -- %d", number, round);
            int key = number * KINDS + kind;
            struct statement *statement = intern_as(text, "", kind != 1, kind != 2);
            if (references[key]++ == 0) {
                live++;
                known[key] = statement;
            }
            cr_assert_eq(statement, known[key]);
            held[held_count] = statement;
            held_key[held_count++] = key;
        } else {
            int i = (int)(random_numbers_next(&state) % (uint64_t)held_count);
            if (--references[held_key[i]] == 0) live--;
            statement_unref(&held[i]);
            held[i] = held[--held_count];
            held_key[i] = held_key[held_count];
        }
        cr_assert_eq(statements_count(table), (size_t)live);
    }
    while (held_count > 0) statement_unref(&held[--held_count]);
}

/* ---- the time it takes: PGTURNSTILE_BENCH=1 ---- */

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void measure(const char *what, const char *text, bool is_named)
{
    enum { ROUNDS = 2000000 };
    static uint8_t tail[TAIL_MAX];
    size_t size = write_tail(tail, text, "\x17\x17");
    struct statement *kept = statements_intern(table, tail, size, &(struct statement_terms){.is_named = is_named, .is_scannable = true});
    double begin = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        struct statement *same =
            statements_intern(table, tail, size, &(struct statement_terms){.is_named = is_named, .is_scannable = true});
        statement_unref(&same);
    }
    fprintf(stderr, "intern, hit, %zu bytes, %s: %.0f ns\n", strlen(text), what, (now_ns() - begin) / ROUNDS);
    release(kept);
}

Test(statements, benchmark)
{
    if (getenv("PGTURNSTILE_BENCH") == NULL) cr_skip_test("PGTURNSTILE_BENCH is not set");
    static struct statement *others[10000];
    for (int i = 0; i < 10000; i++) {
        char text[64];
        snprintf(text, sizeof text, "select %d", i);
        others[i] = intern(text);
    }
    static const char query[] =
        "SELECT \"orders\".\"id\", \"orders\".\"customer_id\", \"orders\".\"total\" FROM \"orders\" WHERE "
        "\"orders\".\"customer_id\" = $1 AND \"orders\".\"created_at\" > '2020-01-01' ORDER BY \"orders\".\"id\" LIMIT $2";
    static const char trace[] = " /*traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'*/";
    char with_trace[sizeof query + sizeof trace];
    snprintf(with_trace, sizeof with_trace, "%s%s", query, trace);
    measure("named", query, true);
    measure("unnamed", query, false);
    measure("named, with a comment", with_trace, true);
    for (int i = 0; i < 10000; i++) release(others[i]);
}

Test(statements, two_contexts_make_two_statements)
{
    uint8_t tail[64];
    size_t size = write_tail(tail, "select date '01/02/2020'", "");
    struct statement_terms terms = {.is_named = true, .is_scannable = true, .context = 1};
    struct statement *first = statements_intern(table, tail, size, &terms), *same = statements_intern(table, tail, size, &terms);
    terms.context = 2;
    struct statement *other = statements_intern(table, tail, size, &terms);
    cr_assert_eq(first, same);
    cr_assert_neq(first, other);
    cr_assert_str_neq(first->name, other->name);
    cr_assert_eq(other->context, 2);
    statement_unref(&first);
    statement_unref(&same);
    statement_unref(&other);
}

Test(statements, alike_are_those_that_differ_in_context_and_comments_only)
{
    uint8_t tail[64];
    struct statement_terms terms = {.is_named = true, .is_scannable = true, .context = 1};
    struct statement *first = statements_intern(table, tail, write_tail(tail, "select $1 /* one */", ""), &terms);
    terms.context = 2;
    struct statement *second = statements_intern(table, tail, write_tail(tail, "select $1 /* another */", ""), &terms);
    struct statement *other = statements_intern(table, tail, write_tail(tail, "select $2 /* one */", ""), &terms);
    cr_assert_neq(first, second);
    cr_assert(statement_is_alike(first, second));
    cr_assert_not(statement_is_alike(second, other));
    cr_assert_not(statement_is_alike(first, NULL));
    cr_assert(statement_is_alike(NULL, NULL));
    statement_unref(&first);
    statement_unref(&second);
    statement_unref(&other);
}

/* What statement_has affirms is what interning finds: text, types, kind and context. */
Test(statements, has_its_own_bytes_on_its_own_terms)
{
    uint8_t tail[64];
    const struct statement_terms own = {.is_named = false, .is_scannable = true, .context = 1};
    size_t size = write_tail(tail, "select $1 -- one", "\x17");
    struct statement *statement = statements_intern(table, tail, size, &own);
    cr_assert(statement_has(statement, tail, size, &own));
    for (size_t less = 0; less < size; less++) cr_assert_not(statement_has(statement, tail, less, &own));
    for (size_t i = 0; i < size; i++) {
        tail[i] ^= 1;
        cr_assert_not(statement_has(statement, tail, size, &own), "byte %zu", i);
        tail[i] ^= 1;
    }
    const struct statement_terms others[] = {{.is_named = false, .is_scannable = true, .context = 2},
                                             {.is_named = true, .is_scannable = true, .context = 1},
                                             {.is_named = true, .is_scannable = false, .context = 1}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_not(statement_has(statement, tail, size, &others[i]));
        struct statement *other = statements_intern(table, tail, size, &others[i]);
        cr_assert_neq(other, statement);
        cr_assert(statement_has(other, tail, size, &others[i]));
        statement_unref(&other);
    }
    statement_unref(&statement);
}
