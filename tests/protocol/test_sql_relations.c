#include "protocol/sql_relations.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/sql_fingerprint.h"

enum { MOST = 4 };

static char canonical[1024];

static const char *canonical_of(const char *sql)
{
    static struct sql_fingerprint fingerprint;
    struct sql_fingerprint_scan scan;
    sql_fingerprint_init(&scan, sql, strlen(sql), SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    cr_assert(sql_fingerprint_next(&scan, &fingerprint));
    sql_fingerprint_display(&scan, &fingerprint, canonical, sizeof canonical);
    return canonical;
}

static uint64_t hash_of(const char *table)
{
    char sql[128];
    uint64_t hash = 0;
    snprintf(sql, sizeof sql, "select from %s", table);
    cr_assert_eq(sql_relations_list(sql, strlen(sql), 1, &hash), 1, "%s", table);
    return hash;
}

/* `tables`: their names with blanks between them, "" for none. */
static void expect_list(const char *sql, const char *tables)
{
    uint64_t hashes[MOST];
    char names[128];
    const char *text = canonical_of(sql);
    uint8_t count = sql_relations_list(text, strlen(text), MOST, hashes), at = 0;
    snprintf(names, sizeof names, "%s", tables);
    for (char *name = strtok(names, " "); name; name = strtok(NULL, " "), at++)
        cr_expect(at < count && hashes[at] == hash_of(name), "%s: %s is not number %u of %u", text, name, at, count);
    cr_expect_eq(count, at, "%s: %u", text, count);
}

static void expect_target(const char *sql, const char *table)
{
    uint64_t hash = 0;
    const char *text = canonical_of(sql);
    cr_assert_eq(sql_relations_target(text, strlen(text), &hash), 1, "%s", text);
    cr_expect_eq(hash, hash_of(table), "%s", text);
}

Test(sql_relations, what_is_read)
{
    expect_list("select * from t where id = 5", "t");
    expect_list("SELECT * FROM \"shop\".\"T-one\" x, public.u AS y WHERE x.id = y.id", "\"T-one\" u");
    expect_list("select * from only t join u on t.a = u.a left join v using (b)", "t u v");
    expect_list("select * from t, t, t", "t");
    expect_list("select * from t where id in (select id from u where x = 1)", "t u");
    expect_list("select 1", "");
    expect_list("select * from a, b, c, d", "a b c d");
    expect_list("select * from a, b, c, d, e", "");
    expect_list("select a is distinct from b from t", "t");
    expect_list("select * from t for update", "t");
    expect_list("select a, b from t order by c, d limit 5", "t");
}

Test(sql_relations, what_is_written)
{
    expect_target("insert into shop.t (a, b) values (1, 2)", "t");
    expect_target("insert into t select * from u", "t");
    expect_target("update only t set a = 1 from u where t.id = u.id", "t");
    expect_target("delete from t using u where t.id = u.id", "t");
    expect_target("insert into t (a) values (1) on conflict (a) do update set a = 2", "t");
}

Test(sql_relations, a_schema_makes_no_difference)
{
    cr_expect_eq(hash_of("t"), hash_of("shop.t"));
    cr_expect_eq(hash_of("t"), hash_of("\"a.b\".t"));
    cr_expect_neq(hash_of("t"), hash_of("\"shop.t\""));
}

/* Each cut of a text is read to its end and no further. */
Test(sql_relations, any_cut)
{
    static const char sql[] = "select * from only \"a\"\"b\".t join u using (x), v where \"";
    uint64_t hashes[MOST];
    for (size_t size = 0; size <= strlen(sql); size++) {
        char *copy = strndup(sql, size);
        cr_expect_leq(sql_relations_list(copy, size, MOST, hashes), MOST);
        cr_expect_leq(sql_relations_target(copy, size, hashes), 1);
        free(copy);
    }
}
