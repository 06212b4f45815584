#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "protocol/sql_transaction.h"

static enum sql_transaction read_text(const char *text, uint8_t *modes)
{
    return sql_transaction_of(text, strlen(text), SQL_STRINGS_STANDARD, modes);
}

static void expect(const char *text, enum sql_transaction wanted)
{
    uint8_t modes;
    cr_expect_eq(read_text(text, &modes), wanted, "%s", text);
}

Test(sql_transaction, begins)
{
    static const struct {
        const char *text, *written;
    } samples[] = {
        {"begin", "BEGIN"},
        {"BEGIN;", "BEGIN"},
        {" begin ;; ", "BEGIN"},
        {";;begin", "BEGIN"},
        {"bEgIn WORK", "BEGIN"},
        {"begin transaction", "BEGIN"},
        {"/* a /* nested */ b */ begin -- c", "BEGIN"},
        {"--x\nbegin", "BEGIN"},
        {"begin isolation level serializable", "BEGIN ISOLATION LEVEL SERIALIZABLE"},
        {"begin isolation level repeatable read", "BEGIN ISOLATION LEVEL REPEATABLE READ"},
        {"begin isolation level read committed", "BEGIN ISOLATION LEVEL READ COMMITTED"},
        {"begin isolation level read uncommitted", "BEGIN ISOLATION LEVEL READ UNCOMMITTED"},
        {"begin read only", "BEGIN READ ONLY"},
        {"begin read write", "BEGIN READ WRITE"},
        {"begin deferrable", "BEGIN DEFERRABLE"},
        {"begin not deferrable", "BEGIN NOT DEFERRABLE"},
        {"begin work read only, isolation level serializable deferrable", "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"},
        {"begin read only, read write", "BEGIN READ WRITE"},
        {"begin isolation level serializable, isolation level read committed", "BEGIN ISOLATION LEVEL READ COMMITTED"},
        {"begin isolation/**/level--\nread/* */uncommitted not deferrable read write",
         "BEGIN ISOLATION LEVEL READ UNCOMMITTED READ WRITE NOT DEFERRABLE"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        uint8_t modes;
        char written[SQL_TRANSACTION_BEGIN_MAX];
        cr_expect_eq(read_text(samples[i].text, &modes), SQL_TRANSACTION_BEGIN, "%s", samples[i].text);
        cr_expect_eq(sql_transaction_write_begin(modes, written), strlen(samples[i].written));
        cr_expect_str_eq(written, samples[i].written);
    }
}

Test(sql_transaction, starts)
{
    uint8_t modes;
    char written[SQL_TRANSACTION_BEGIN_MAX];
    cr_assert_eq(read_text("START TRANSACTION READ ONLY;", &modes), SQL_TRANSACTION_START);
    sql_transaction_write_begin(modes, written);
    cr_assert_str_eq(written, "BEGIN READ ONLY");
    expect("start transaction", SQL_TRANSACTION_START);
    expect("start", SQL_TRANSACTION_NONE);
    expect("start work", SQL_TRANSACTION_NONE);
    expect("start transaction work", SQL_TRANSACTION_NONE);
}

Test(sql_transaction, ends)
{
    static const char *const commits[] = {"commit", "COMMIT;", "end", "commit work", "end transaction", "commit and no chain"};
    static const char *const rollbacks[] = {"rollback", "abort;", "rollback work", "abort transaction",
                                            "rollback transaction and no chain"};
    for (size_t i = 0; i < sizeof commits / sizeof *commits; i++) expect(commits[i], SQL_TRANSACTION_COMMIT);
    for (size_t i = 0; i < sizeof rollbacks / sizeof *rollbacks; i++) expect(rollbacks[i], SQL_TRANSACTION_ROLLBACK);
}

Test(sql_transaction, nothing_at_all)
{
    static const char *const texts[] = {"", " ", ";", ";;", "-- x", "/* x */ ; /* y */"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect(texts[i], SQL_TRANSACTION_EMPTY);
}

Test(sql_transaction, what_it_is_not)
{
    static const char *const texts[] = {
        "begin; select 1",
        "begin begin",
        "begin,",
        "begin read",
        "begin read only,",
        "begin, read only",
        "begin read only,, read write",
        "begin isolation",
        "begin isolation level",
        "begin isolation level read",
        "begin isolation level repeatable",
        "begin isolation level foo",
        "begin isolation serializable",
        "begin not",
        "begin not read only",
        "begin work transaction",
        "begin atomic",
        "begin 'x'",
        "begin \"work\"",
        "\"begin\"",
        "begin /* open",
        "begin -- c\n x",
        "beginx",
        "be",
        "b",
        "begin\001",
        "commit prepared 'x'",
        "rollback prepared 'x'",
        "rollback to s",
        "rollback to savepoint s",
        "rollback work to s",
        "commit and chain",
        "rollback and chain",
        "commit and no",
        "commit and",
        "commit; begin",
        "prepare transaction 'x'",
        "select 1",
        "savepoint s",
        "set transaction read only",
        "copy t from stdin",
        "start_transaction",
        "begin()",
        "(begin)",
        "begin$1",
        "commit1",
        "end if",
        "begin $$x$$",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect(texts[i], SQL_TRANSACTION_NONE);
}

/* A prefix of a text is never more than the text up to there: no byte behind it is read. */
Test(sql_transaction, at_each_length)
{
    static const char text[] = "/* a */ begin isolation level serializable, read only, not deferrable ;";
    for (size_t size = 0; size < sizeof text; size++) {
        char copy[sizeof text];
        uint8_t modes;
        memcpy(copy, text, size);
        memset(copy + size, 'x', sizeof copy - size);
        sql_transaction_of(copy, size, SQL_STRINGS_STANDARD, &modes);
    }
}

Test(sql_transaction, all_modes_can_be_read_again)
{
    for (unsigned level = 0; level <= 4; level++) {
        for (unsigned access = 0; access <= 2; access++) {
            for (unsigned deferrable = 0; deferrable <= 2; deferrable++) {
                uint8_t modes = (uint8_t)(level << 4 | deferrable << 2 | access), again;
                char text[SQL_TRANSACTION_BEGIN_MAX];
                sql_transaction_write_begin(modes, text);
                cr_assert_eq(read_text(text, &again), SQL_TRANSACTION_BEGIN);
                cr_assert_eq(again, modes, "%s", text);
            }
        }
    }
}
