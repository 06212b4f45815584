#include "proxy/statement_names.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

static struct statements *table;
static struct statement_names names;

static void start(void)
{
    table = statements_new();
    names = (struct statement_names){0};
}

static void end(void)
{
    statement_names_clear(&names);
    cr_expect_eq(statement_names_count(&names), 0);
    cr_expect_null(names.buckets, "no memory while it is empty");
    cr_expect_eq(statements_count(table), 0, "%zu statements are left", statements_count(table));
    statements_free(&table);
}

TestSuite(statement_names, .init = start, .fini = end);

static struct statement *intern(int number)
{
    uint8_t tail[32];
    size_t size = (size_t)snprintf((char *)tail, sizeof tail, "select %d", number) + 1;
    memset(tail + size, 0, 2);
    return statements_intern(table, tail, size + 2, &(struct statement_terms){.is_named = true, .is_scannable = true});
}

Test(statement_names, set_replace_remove)
{
    struct statement *a = intern(1), *b = intern(2);
    cr_expect_null(statement_names_find(&names, "s"));
    cr_expect_null(statement_names_set(&names, "s", NULL));
    cr_expect_null(names.buckets);

    char name[] = "s";
    cr_expect_null(statement_names_set(&names, name, a));
    name[0] = 't'; /* the name was copied */
    cr_expect_eq(statement_names_find(&names, "s"), a);
    cr_expect_null(statement_names_find(&names, "t"));
    cr_expect_null(statement_names_find(&names, "S"));
    cr_expect_null(statement_names_find(&names, ""));
    cr_expect_null(statement_names_set(&names, "", b));
    cr_expect_eq(statement_names_find(&names, ""), b);
    cr_expect_eq(statement_names_count(&names), 2);

    struct statement *former = statement_names_set(&names, "s", b);
    cr_expect_eq(former, a);
    statement_unref(&former);
    cr_expect_eq(statement_names_find(&names, "s"), b);
    former = statement_names_set(&names, "s", b);
    cr_expect_eq(former, b, "to itself");
    statement_unref(&former);
    cr_expect_eq(statement_names_count(&names), 2);

    statement_unref(&a);
    cr_expect_eq(statements_count(table), 1);
    statement_unref(&b);
    former = statement_names_set(&names, "s", NULL);
    cr_expect_eq(statements_count(table), 1);
    statement_unref(&former);
    cr_expect_null(statement_names_find(&names, "s"));
    cr_expect_eq(statement_names_count(&names), 1);
    cr_expect_eq(statements_count(table), 1);
    former = statement_names_set(&names, "", NULL);
    statement_unref(&former);
    cr_expect_null(names.buckets);
    cr_expect_null(statement_names_find(&names, "s"));
}

Test(statement_names, clear_gives_all_back)
{
    struct statement *a = intern(1);
    statement_names_set(&names, "x", a);
    statement_names_set(&names, "y", a);
    statement_unref(&a);
    statement_names_clear(&names);
    cr_expect_eq(statements_count(table), 0);
    cr_expect_null(statement_names_find(&names, "x"));
    statement_names_clear(&names);
    a = intern(2);
    cr_expect_null(statement_names_set(&names, "x", a), "it can be used again");
    statement_unref(&a);
}

Test(statement_names, the_clients_name_of_a_servers_name)
{
    struct statement *a = intern(1), *b = intern(2), *c = intern(3);
    cr_expect_null(statement_names_of(&names, a->name));
    statement_names_set(&names, "first", a);
    statement_names_set(&names, "second", b);
    cr_expect_str_eq(statement_names_of(&names, a->name), "first");
    cr_expect_str_eq(statement_names_of(&names, b->name), "second");
    cr_expect_null(statement_names_of(&names, c->name));
    cr_expect_null(statement_names_of(&names, "first"));
    statement_unref(&a), statement_unref(&b), statement_unref(&c);
}

Test(statement_names, long_names)
{
    enum { SIZE = 100000 };
    struct statement *a = intern(1), *b = intern(2);
    char *name = malloc(SIZE + 1);
    memset(name, 'n', SIZE);
    name[SIZE] = '\0';
    statement_names_set(&names, name, a);
    name[SIZE - 1] = 'm';
    cr_expect_null(statement_names_find(&names, name));
    statement_names_set(&names, name, b);
    cr_expect_eq(statement_names_find(&names, name), b);
    name[SIZE - 1] = 'n';
    cr_expect_eq(statement_names_find(&names, name), a);
    free(name);
    statement_unref(&a), statement_unref(&b);
}

Test(statement_names, ten_thousand_statements_of_a_thousand_clients)
{
    enum { STATEMENTS = 10000, CLIENTS = 1000 };
    static struct statement_names clients[CLIENTS];
    static struct statement *statements[STATEMENTS];
    static char spelled[STATEMENTS][16];
    for (int i = 0; i < STATEMENTS; i++) {
        statements[i] = intern(i);
        snprintf(spelled[i], sizeof spelled[i], "S_%d", i);
    }
    size_t bytes = statements_bytes(table);
    bool is_full = getenv("PGTURNSTILE_SOAK") != NULL;
    int client_count = is_full ? CLIENTS : CLIENTS / 20;
    size_t before = mallinfo2().uordblks;
    for (int client = 0; client < client_count; client++)
        for (int i = 0; i < STATEMENTS; i++) statement_names_set(&clients[client], spelled[i], statements[i]);
    size_t per_entry = (mallinfo2().uordblks - before) / ((size_t)client_count * STATEMENTS);
    cr_expect_leq(per_entry, 64, "%zu bytes for each name", per_entry);
    cr_expect_eq(statements_bytes(table), bytes, "the statements are stored once");
    cr_expect_eq(statements_count(table), STATEMENTS);
    for (int i = 0; i < STATEMENTS; i++) statement_unref(&statements[i]);
    for (int i = 0; i < STATEMENTS; i += 99) {
        struct statement *same = intern(i);
        for (int client = 0; client < client_count; client++) cr_assert_eq(statement_names_find(&clients[client], spelled[i]), same);
        statement_unref(&same);
    }
    for (int client = 0; client < client_count; client++) {
        cr_expect_eq(statement_names_count(&clients[client]), STATEMENTS);
        statement_names_clear(&clients[client]);
    }
    cr_expect_eq(statements_count(table), 0);
}

Test(statement_names, behaves_as_an_array)
{
    enum { NAMES = 500, TEXTS = 50, ROUNDS = 200000 };
    static struct statement *model[NAMES];
    uint64_t state = 0x2545f4914f6cdd1d;
    size_t count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = random_numbers_next(&state) % NAMES;
        char name[16];
        snprintf(name, sizeof name, "name%zu", i);
        cr_assert_eq(statement_names_find(&names, name), model[i]);
        /* Phases that fill it, and phases that empty it. */
        bool removes = random_numbers_next(&state) % 10 < (round / 10000 % 2 ? 9 : 2);
        struct statement *statement = removes ? NULL : intern((int)(random_numbers_next(&state) % TEXTS));
        struct statement *former = statement_names_set(&names, name, statement);
        cr_assert_eq(former, model[i]);
        count += (statement != NULL);
        count -= (former != NULL);
        statement_unref(&former);
        model[i] = statement;
        if (statement) {
            cr_assert_neq(statement_names_of(&names, statement->name), NULL);
            struct statement *mine = statement;
            statement_unref(&mine);
        }
        cr_assert_eq(statement_names_count(&names), count);
        cr_assert_eq(names.buckets == NULL, count == 0);
    }
}
