#include "proxy/classes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/proxy/config_fixture.h"

TestSuite(classes, .init = config_fixture_begin, .fini = config_fixture_end);

static struct config *load_classes(const char *sections)
{
    char text[4096];
    snprintf(text, sizeof text, CONFIG_FIXTURE_TRUST "%s", sections);
    return load(text);
}

static struct address address_of(const char *text)
{
    struct address_range range;
    cr_assert_eq(address_range_parse(text, &range), ADDRESS_RANGE_OK, "%s", text);
    return range.first;
}

static const struct sql_tags *tags_of(const struct config *config, const char *sql)
{
    static struct sql_tags tags;
    sql_tags_parse(&tags, &config->tag_keys, sql, strlen(sql), SQL_STRINGS_STANDARD);
    return &tags;
}

/* A client of TCP port 6432, of user u and database d, without an application_name, from 192.0.2.1. */
static struct class_facts facts(void)
{
    return (struct class_facts){.user = "u", .database = "d", .address = address_of("192.0.2.1"), .port = 6432};
}

/* What is known of the connection is decided without the tags. */
static const char *class_name(const struct config *config, const struct class_facts *facts)
{
    struct class_facts of_connection = *facts;
    of_connection.tags = NULL;
    struct class_candidates candidates = classes_narrow(config, &of_connection), with_tags = classes_narrow(config, facts);
    unsigned class = classes_settle(config, &candidates, facts);
    cr_assert_lt(class, config->class_count);
    cr_expect_eq(with_tags.by_tag, candidates.by_tag);
    cr_expect_eq(with_tags.otherwise, candidates.otherwise);
    cr_expect_eq(candidates.by_tag >> candidates.otherwise, 0);
    if (candidates.by_tag == 0) cr_expect_eq(class, candidates.otherwise);
    return config->classes[class].name;
}

Test(classes, each_condition)
{
    struct config *config = load_classes("[class by_user]\nmatch = user=web*\n"
                                         "[class by_database]\nmatch = database=shop\n"
                                         "[class by_application]\nmatch = application_name='Puma *'\n"
                                         "[class by_address]\nmatch = address=10.0.0.0/8\nmatch = address=fd00::/8\n"
                                         "[class by_port]\nmatch = port=unix\n");
    struct class_facts client = facts();
    cr_expect_str_eq(class_name(config, &client), "default");
    client.application_name = "Puma 6";
    cr_expect_str_eq(class_name(config, &client), "by_application");
    client.application_name = "puma 6";
    cr_expect_str_eq(class_name(config, &client), "default");
    client.application_name = "Puma ";
    cr_expect_str_eq(class_name(config, &client), "by_application");
    client.database = "shop";
    cr_expect_str_eq(class_name(config, &client), "by_database");
    client.user = "web7";
    cr_expect_str_eq(class_name(config, &client), "by_user");

    client = facts();
    client.address = address_of("::ffff:10.9.8.7");
    cr_expect_str_eq(class_name(config, &client), "by_address");
    client.address = address_of("fd12::1");
    cr_expect_str_eq(class_name(config, &client), "by_address");
    client.address = address_of_unix();
    client.port = 0;
    cr_expect_str_eq(class_name(config, &client), "by_port");
    config_unref(&config);
}

Test(classes, all_conditions_of_a_line_and_any_line_of_a_class)
{
    struct config *config = load_classes("[class a]\n"
                                         "match = user=u database=x\n"
                                         "match = database=d application_name=app address=192.0.2.0/24 port=6432\n");
    struct class_facts client = facts();
    cr_expect_str_eq(class_name(config, &client), "default");
    client.application_name = "app";
    cr_expect_str_eq(class_name(config, &client), "a");
    client.port = 6433;
    cr_expect_str_eq(class_name(config, &client), "default");
    client.database = "x";
    cr_expect_str_eq(class_name(config, &client), "a");
    client.user = "v";
    cr_expect_str_eq(class_name(config, &client), "default");
    config_unref(&config);
}

Test(classes, no_application_name_is_an_empty_one)
{
    struct config *config = load_classes("[class nameless]\nmatch = application_name=''\n[class named]\nmatch = application_name=?*\n");
    struct class_facts client = facts();
    cr_expect_str_eq(class_name(config, &client), "nameless");
    client.application_name = "";
    cr_expect_str_eq(class_name(config, &client), "nameless");
    client.application_name = "psql";
    cr_expect_str_eq(class_name(config, &client), "named");
    config_unref(&config);
}

Test(classes, tags)
{
    struct config *config = load_classes("[class import]\nmatch = tag.job=Import* user=u\n"
                                         "[class web]\nmatch = user=u application_name=web\n"
                                         "[class worker]\nmatch = tag.job=*\nmatch = tag.route=/jobs/*\n"
                                         "[class both]\nmatch = tag.controller=a tag.action=b\n");
    static const struct {
        const char *sql, *plain, *of_web, *of_other; /* other: another user */
    } cases[] = {
        {"select 1", "default", "web", "default"},
        {"select 1 /* job='ImportUsers' */", "import", "import", "worker"},
        {"select 1 /* job='Other' */", "worker", "web", "worker"},
        {"select 1 /* route='%2Fjobs%2F7' */", "worker", "web", "worker"},
        {"select 1 /* route='%2Fapi%2F7' */", "default", "web", "default"},
        {"/* controller:a,action:b */ select 1", "both", "web", "both"},
        {"/* controller:a */ select 1", "default", "web", "default"},
        {"/* controller:a,action:c */ select 1", "default", "web", "default"},
        {"/* controller:a,action:b,job:x */ select 1", "worker", "web", "worker"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct class_facts client = facts();
        client.tags = tags_of(config, cases[i].sql);
        cr_expect_str_eq(class_name(config, &client), cases[i].plain, "%s", cases[i].sql);
        client.application_name = "web";
        cr_expect_str_eq(class_name(config, &client), cases[i].of_web, "%s", cases[i].sql);
        client.user = "v";
        cr_expect_str_eq(class_name(config, &client), cases[i].of_other, "%s", cases[i].sql);
    }
    config_unref(&config);
}

/* A statement without a tag, and one whose tag is empty, are two things. */
Test(classes, a_tag_that_is_not_there_fits_nothing)
{
    struct config *config = load_classes("[class a]\nmatch = tag.job=*\n");
    struct class_facts client = facts();
    cr_expect_str_eq(class_name(config, &client), "default");
    client.tags = tags_of(config, "select 1 /* route='x' */");
    cr_expect_str_eq(class_name(config, &client), "default");
    config_unref(&config);
}

Test(classes, tags_matter_only_where_they_can_change_something)
{
    struct config *config = load_classes("[class web]\nmatch = user=web\n"
                                         "[class job]\nmatch = user=worker tag.job=*\n"
                                         "[class worker]\nmatch = user=worker\n"
                                         "[class shared]\nmatch = user=shared\nshare_by = tag.job\n"
                                         "[class late]\nmatch = tag.job=late\n");
    struct class_facts client = facts();

    client.user = "web";
    struct class_candidates candidates = classes_narrow(config, &client);
    cr_expect_eq(candidates.otherwise, 0);
    cr_expect_eq(candidates.by_tag, 0);
    cr_expect_not(classes_need_tags(config, &candidates));

    client.user = "worker";
    candidates = classes_narrow(config, &client);
    cr_expect_eq(candidates.otherwise, 2);
    cr_expect_eq(candidates.by_tag, 1 << 1);
    cr_expect(classes_need_tags(config, &candidates));

    client.user = "shared";
    candidates = classes_narrow(config, &client);
    cr_expect_eq(candidates.otherwise, 3);
    cr_expect_eq(candidates.by_tag, 0);
    cr_expect(classes_need_tags(config, &candidates));

    client.user = "u";
    candidates = classes_narrow(config, &client);
    cr_expect_eq(candidates.otherwise, 5);
    cr_expect_eq(candidates.by_tag, 1 << 4);
    config_unref(&config);
}

static bool need_tags(const char *text)
{
    struct config *config = load_classes(text);
    struct class_facts client = facts();
    struct class_candidates candidates = classes_narrow(config, &client);
    bool result = classes_need_tags(config, &candidates);
    config_unref(&config);
    return result;
}

Test(classes, configurations_that_need_no_tags)
{
    cr_expect_not(need_tags(""));
    cr_expect_not(need_tags("[class a]\nmatch = user=a\nmatch = port=unix\nshare_by = user\n"));
    cr_expect(need_tags("[class a]\nmatch = user=a\nmatch = tag.x=y\n"));
    cr_expect(need_tags("[class default]\nshare_by = tag.x\n"));
}

/* A class of two lines, one of which would do without tags, for another client. */
Test(classes, a_line_without_tags_does_not_hold_for_those_who_need_one)
{
    struct config *config = load_classes("[class a]\nmatch = user=a\nmatch = application_name=x tag.job=j*\n");
    struct class_facts client = facts();
    client.application_name = "x";
    cr_expect_str_eq(class_name(config, &client), "default");
    client.tags = tags_of(config, "select 1 /* route='r' */");
    cr_expect_str_eq(class_name(config, &client), "default");
    client.tags = tags_of(config, "select 1");
    cr_expect_str_eq(class_name(config, &client), "default");
    client.tags = tags_of(config, "select 1 /* job='jot' */");
    cr_expect_str_eq(class_name(config, &client), "a");
    client.application_name = "y";
    cr_expect_str_eq(class_name(config, &client), "default");
    config_unref(&config);
}

/* All 63 that can be named may depend on a tag. */
Test(classes, as_many_as_are_possible)
{
    char text[8192], *to = text;
    for (int i = 0; i < CONFIG_CLASSES_MAX - 1; i++) to += sprintf(to, "[class c%d]\nmatch = tag.n=%d\n", i, i);
    char whole[sizeof text + 256];
    snprintf(whole, sizeof whole, CONFIG_FIXTURE_TRUST "%s", text);
    struct config *config = load(whole);
    struct class_facts client = facts();
    for (int i = 0; i < CONFIG_CLASSES_MAX; i++) {
        char sql[64], expected[16] = "default";
        snprintf(sql, sizeof sql, "select 1 /* n='%d' */", i);
        if (i < CONFIG_CLASSES_MAX - 1) snprintf(expected, sizeof expected, "c%d", i);
        client.tags = tags_of(config, sql);
        cr_expect_str_eq(class_name(config, &client), expected);
    }
    config_unref(&config);
}

static void expect_key_of(const char *share_by, struct class_facts facts, const char *sql, const char *expected)
{
    char text[256], key[CLASSES_SHARE_KEY_SIZE];
    snprintf(text, sizeof text, "[class default]\nshare_by = %s\n", share_by);
    struct config *config = load_classes(text);
    if (sql) facts.tags = tags_of(config, sql);
    size_t size = classes_share_key(&config->classes[0], &facts, key);
    cr_expect_str_eq(key, expected, "share_by = %s", share_by);
    cr_expect_eq(size, strlen(expected));
    config_unref(&config);
}

static void expect_key(const char *share_by, const struct class_facts *facts, const char *expected)
{
    expect_key_of(share_by, *facts, NULL, expected);
}

Test(classes, share_keys)
{
    struct class_facts client = facts();
    expect_key("", &client, "");
    expect_key("user", &client, "u");
    expect_key("database", &client, "d");
    expect_key("application_name", &client, "");
    expect_key("address", &client, "192.0.2.1");
    expect_key("tag.job", &client, "");
    client.application_name = "an app";
    expect_key("application_name", &client, "an app");
    expect_key_of("tag.job", client, "select 1 /* job='Import%20Users',x='' */", "Import Users");
    expect_key_of("tag.job", client, "select 1 /* job=Import */", "Import");
    expect_key_of("tag.route", client, "select 1 /* job='Import%20Users',x='' */", "");
    client.address = address_of("2001:db8::1");
    expect_key("address", &client, "2001:db8::1");
    client.address = address_of_unix();
    expect_key("address", &client, "unix");
}

Test(classes, long_share_keys_are_cut_at_a_whole_character)
{
    char name[400], expected[CLASSES_SHARE_KEY_SIZE];
    struct class_facts client = facts();
    client.application_name = name;
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    memset(expected, 'a', sizeof expected);
    expected[sizeof expected - 1] = '\0';
    expect_key("application_name", &client, expected);

    /* Three bytes, of which two would still fit. */
    memcpy(name + CLASSES_SHARE_KEY_SIZE - 3, "\xe2\x82\xac", 3);
    expected[CLASSES_SHARE_KEY_SIZE - 3] = '\0';
    expect_key("application_name", &client, expected);

    name[CLASSES_SHARE_KEY_SIZE - 1] = '\0';
    memset(name, 'a', CLASSES_SHARE_KEY_SIZE - 1);
    memset(expected, 'a', sizeof expected - 1);
    expect_key("application_name", &client, expected);

    memset(name, '\x80', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    expect_key("application_name", &client, "");
}
