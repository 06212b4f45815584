/* The `match` lines of classes, as they stand in a file: what is read, what is refused, and which lies within which. */
#include "proxy/config_match.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/proxy/config_fixture.h"

TestSuite(config_match, .init = config_fixture_begin, .fini = config_fixture_end);

/* The lines of class a begin at line 6. */
#define CLASS CONFIG_FIXTURE_TRUST "[class a]\n"

static struct config *load_match(const char *value)
{
    char text[4096];
    cr_assert_lt((size_t)snprintf(text, sizeof text, CLASS "match = %s\n", value), sizeof text);
    return load(text);
}

Test(config_match, all_conditions)
{
    struct config *config = load_match("tag.route=/api/* user=web* database='my ''shop' tag.job='' application_name = '' "
                                       "address=fd00::/8 port=6432");
    cr_assert_eq(config->class_count, 2);
    cr_assert_eq(config->classes[0].match_count, 1);
    const struct config_match *match = config->classes[0].matches;
    const struct config_condition *conditions = match->conditions;
    cr_assert_eq(match->condition_count, 7);
    cr_assert_eq(match->tag_condition_count, 2);
    cr_expect_eq(conditions[0].fact, CONFIG_FACT_USER);
    cr_expect_str_eq(conditions[0].pattern, "web*");
    cr_expect_eq(conditions[1].fact, CONFIG_FACT_DATABASE);
    cr_expect_str_eq(conditions[1].pattern, "my 'shop");
    cr_expect_eq(conditions[2].fact, CONFIG_FACT_APPLICATION_NAME);
    cr_expect_str_eq(conditions[2].pattern, "");
    cr_expect_eq(conditions[3].fact, CONFIG_FACT_ADDRESS);
    cr_expect_eq(conditions[3].range.first.bytes[0], 0xfd);
    cr_expect_eq(conditions[3].range.prefix, 8);
    cr_expect_eq(conditions[4].fact, CONFIG_FACT_PORT);
    cr_expect_eq(conditions[4].port, 6432);
    cr_expect_eq(conditions[5].fact, CONFIG_FACT_TAG);
    cr_expect_str_eq(conditions[5].tag, "route");
    cr_expect_str_eq(conditions[5].pattern, "/api/*");
    cr_expect_eq(conditions[6].fact, CONFIG_FACT_TAG);
    cr_expect_str_eq(conditions[6].tag, "job");
    config_unref(&config);
}

Test(config_match, sockets)
{
    struct config *config = load(CLASS "match = address=unix\nmatch = port=unix\nmatch=listener=unix user=x\nmatch = listener=6432\n");
    const struct config_match *matches = config->classes[0].matches;
    cr_assert_eq(config->classes[0].match_count, 4);
    cr_expect(matches[0].conditions[0].range.first.is_unix);
    cr_expect_eq(matches[1].conditions[0].port, 0);
    cr_expect_eq(matches[2].conditions[0].fact, CONFIG_FACT_PORT);
    cr_expect_eq(matches[2].conditions[0].port, 0);
    cr_expect_eq(matches[3].conditions[0].port, 6432);
    config_unref(&config);
}

Test(config_match, problems)
{
    static const struct {
        const char *value, *told;
    } cases[] = {
        {"", "6: match is empty: write a condition, such as user=web\n"},
        {"web", "6: match: a word without = (a value with blanks must stand in single quotes)\n"},
        {"user=web shop", "6: match: a word without = (a value with blanks must stand in single quotes)\n"},
        {"=web", "6: match: a key is missing before the =\n"},
        {"user='web", "6: match: a single quote is not closed\n"},
        {"usr=web", "6: unknown condition \"usr\": did you mean user?\n"},
        {"User=web", "6: unknown condition \"User\": did you mean user?\n"},
        {"aplication_name=web", "6: unknown condition \"aplication_name\": did you mean application_name?\n"},
        {"job=web",
         "6: unknown condition \"job\": there are user, database, application_name, address, port, and tag.KEY for a tag of the SQL "
         "comment, such as tag.job\n"},
        {"tag=web",
         "6: unknown condition \"tag\": there are user, database, application_name, address, port, and tag.KEY for a tag of the SQL "
         "comment, such as tag.job\n"},
        {"tag.=web",
         "6: unknown condition \"tag.\": there are user, database, application_name, address, port, and tag.KEY for a tag of the SQL "
         "comment, such as tag.job\n"},
        {"address=localhost",
         "6: address must be an address or a network in numbers, such as 10.1.2.3, 10.0.0.0/8 or fd00::/8, or unix, not "
         "\"localhost\"\n"},
        {"address=10.0.0.0/33",
         "6: address must be an address or a network in numbers, such as 10.1.2.3, 10.0.0.0/8 or fd00::/8, or unix, not "
         "\"10.0.0.0/33\"\n"},
        {"address=10.1.2.3/8", "6: address 10.1.2.3/8 is no network, for it has bits behind its prefix: did you mean 10.0.0.0/8?\n"},
        {"port=0", "6: port must be the number of a port that pgturnstile listens on, or unix, not \"0\"\n"},
        {"port=65536", "6: port must be the number of a port that pgturnstile listens on, or unix, not \"65536\"\n"},
        {"listener=tcp", "6: listener must be the number of a port that pgturnstile listens on, or unix, not \"tcp\"\n"},
        {"user=a user=b",
         "6: user is said twice in one match, and both would have to hold: write two match lines, of which one is enough\n"},
        {"port=6432 listener=unix",
         "6: listener is said twice in one match, and both would have to hold: write two match lines, of which one is enough\n"},
        {"tag.job=a tag.job=b",
         "6: tag.job is said twice in one match, and both would have to hold: write two match lines, of which one is enough\n"},
        {"usr=web port=x address=y",
         "6: unknown condition \"usr\": did you mean user?\n"
         "6: port must be the number of a port that pgturnstile listens on, or unix, not \"x\"\n"
         "6: address must be an address or a network in numbers, such as 10.1.2.3, 10.0.0.0/8 or fd00::/8, or unix, not \"y\"\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, CLASS "match = %s\n", cases[i].value);
        expect_told(text, true, cases[i].told);
    }
}

Test(config_match, sizes)
{
    char text[2048], pattern[CONFIG_PATTERN_SIZE_MAX + 2];
    memset(pattern, 'p', sizeof pattern);
    pattern[sizeof pattern - 1] = '\0';
    snprintf(text, sizeof text, CLASS "match = user=%s\n", pattern);
    expect_told(text, true, "6: user: the pattern is longer than 255 bytes\n");
    pattern[sizeof pattern - 2] = '\0';
    snprintf(text, sizeof text, "user=%s", pattern);
    struct config *config = load_match(text);
    config_unref(&config);

    char *to = text;
    for (int i = 0; i < CONFIG_CONDITIONS_MAX; i++) to += sprintf(to, "tag.t%d=x ", i);
    config = load_match(text);
    cr_assert_eq(config->classes[0].matches[0].condition_count, CONFIG_CONDITIONS_MAX);
    config_unref(&config);
    char whole[4096];
    snprintf(whole, sizeof whole, CLASS "match = %s user=one_more\n", text);
    expect_told(whole, true, "6: a match has at most 16 conditions\n");
}

/* The same tag has one number wherever it stands. */
Test(config_match, tags_have_numbers)
{
    struct config *config = load(CLASS "match = tag.job=a\nmatch = tag.route=b tag.job=c\nshare_by = tag.route\n");
    const struct config_class *class = &config->classes[0];
    cr_expect_eq(config->tag_keys.count, 2);
    cr_expect_eq(class->matches[0].conditions[0].tag_number, 0);
    cr_expect_eq(class->matches[1].conditions[0].tag_number, 1);
    cr_expect_eq(class->matches[1].conditions[1].tag_number, 0);
    cr_expect_eq(class->share_tag_number, 1);
    config_unref(&config);
}

Test(config_match, as_many_tags_as_are_possible)
{
    char text[8192] = CLASS;
    char *to = text + strlen(text);
    for (int i = 0; i < SQL_TAG_KEYS_MAX; i++) to += sprintf(to, "match = tag.t%d=x\n", i);
    struct config *config = load(text);
    cr_expect_eq(config->tag_keys.count, SQL_TAG_KEYS_MAX);
    config_unref(&config);
    strcpy(to, "match = tag.t7=y tag.t64=x\nshare_by = tag.t65\n");
    expect_told(text, true,
                "70: tag.t64: classes can ask for 64 different tags at most\n71: tag.t65: classes can ask for 64 different tags at most\n");
}

Test(config_match, one_within_another)
{
    static const struct {
        const char *inner, *outer;
        bool is_within;
    } cases[] = {
        {"user=a", "user=a", true},
        {"user=a", "user=b", false},
        {"user=a database=d", "user=a", true},
        {"user=a", "user=a database=d", false},
        {"user=a database=d", "database=d user=a", true},
        {"user=a", "user=*", true},
        {"user=a*", "user=*", true},
        {"database=d", "user=*", true},
        {"database=d", "user=* application_name=** database=d", true},
        {"user=web7", "user=web*", true},
        {"user=web*", "user=web*", true},
        {"user=web?", "user=web*", false}, /* it is, but the texts do not tell */
        {"user=web*", "user=web7", false},
        {"database=d", "tag.job=*", false},
        {"tag.job=Import", "tag.job=*", true},
        {"tag.job=Import", "tag.job=I*", true},
        {"tag.job=Import", "tag.route=*", false},
        {"tag.job=Import user=a", "user=a", true},
        {"user=a", "user=a tag.job=*", false},
        {"address=10.1.0.0/16", "address=10.0.0.0/8", true},
        {"address=10.0.0.0/8", "address=10.1.0.0/16", false},
        {"address=unix", "address=unix", true},
        {"port=6432", "port=6432", true},
        {"port=6432", "port=unix", false},
        {"user=a", "address=0.0.0.0/0", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, CLASS "match = %s\nmatch = %s\n", cases[i].inner, cases[i].outer);
        struct config *config = load(text);
        const struct config_match *matches = config->classes[0].matches;
        cr_expect_eq(config_match_is_within(&matches[0], &matches[1]), cases[i].is_within, "%s in %s", cases[i].inner, cases[i].outer);
        config_unref(&config);
    }
}

Test(config_match, names_of_facts)
{
    const char *tag;
    cr_assert_eq(config_match_find_fact("user", &tag), CONFIG_FACT_USER);
    cr_assert_null(tag);
    cr_assert_eq(config_match_find_fact("tag.a.b", &tag), CONFIG_FACT_TAG);
    cr_assert_str_eq(tag, "a.b");
    cr_assert_eq(config_match_find_fact("listener", &tag), CONFIG_FACT_PORT);
    cr_assert_null(tag);
    cr_assert_eq(config_match_find_fact("", &tag), CONFIG_FACT_NONE);
    cr_assert_eq(config_match_find_fact("tag.", &tag), CONFIG_FACT_NONE);
    cr_assert_null(tag);
}
