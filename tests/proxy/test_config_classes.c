/* The [class NAME] sections: their keys, and what classes mean together. The `match` lines by themselves: test_config_match.c. */
#include "proxy/config_classes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/proxy/config_fixture.h"

TestSuite(config_classes, .init = config_fixture_begin, .fini = config_fixture_end);

/* What follows begins at line 5. */
#define TRUST CONFIG_FIXTURE_TRUST

Test(config_classes, the_default_class_exists_without_being_written)
{
    struct config *config = load(TRUST);
    cr_assert_eq(config->class_count, 1);
    const struct config_class *class = config->classes;
    cr_assert_str_eq(class->name, "default");
    cr_assert_eq(class->match_count, 0);
    cr_assert_eq(class->share_by, CONFIG_FACT_NONE);
    cr_assert_eq(class->reserve, 0);
    cr_assert_eq(class->limit, 0);
    cr_assert_eq(class->weight, 1);
    cr_assert_eq(class->queue_limit, 0);
    cr_assert_eq(class->share_limit, 0);
    cr_assert_eq(class->lend_max_us, 50000);
    cr_assert_eq(class->wait_timeout_us, -1);
    cr_assert_eq(class->query_wait_notify_us, -1);
    cr_assert_eq(class->deadline_us, -1);
    cr_assert_eq(class->query_timeout_us, -1);
    cr_assert_eq(class->transaction_timeout_us, -1);
    cr_assert_eq(class->idle_transaction_timeout_us, -1);
    cr_assert_eq(class->client_idle_timeout_us, -1);
    config_unref(&config);
}

Test(config_classes, every_key)
{
    struct config *config = load(TRUST "[class web]\n"
                                       "match = user=web\n"
                                       "reserve = 20\n"
                                       "match = tag.route=*\n"
                                       "limit = 60\n"
                                       "weight = 1000\n"
                                       "queue_limit = 500\n"
                                       "wait_timeout = 5\n"
                                       "lend_max = 0.01\n"
                                       "share_by = tag.route\n"
                                       "share_limit = 7\n"
                                       "deadline = 29.5\n"
                                       "query_timeout = 1\n"
                                       "transaction_timeout = 2\n"
                                       "idle_transaction_timeout = 3\n"
                                       "client_idle_timeout = 0\n"
                                       "query_wait_notify =\n"
                                       "[class default]\n"
                                       "weight = 2\n"
                                       "share_by = address\n"
                                       "[class \"night jobs\"]\n"
                                       "match = user=cron\n"
                                       "share_by =\n");
    cr_assert_eq(config->class_count, 3);
    const struct config_class *web = &config->classes[0], *jobs = &config->classes[1], *rest = &config->classes[2];
    cr_expect_str_eq(web->name, "web");
    cr_expect_str_eq(jobs->name, "night jobs");
    cr_expect_str_eq(rest->name, "default");
    cr_expect_eq(web->match_count, 2);
    cr_expect_eq(web->reserve, 20);
    cr_expect_eq(web->limit, 60);
    cr_expect_eq(web->weight, 1000);
    cr_expect_eq(web->queue_limit, 500);
    cr_expect_eq(web->wait_timeout_us, 5000000);
    cr_expect_eq(web->lend_max_us, 10000);
    cr_expect_eq(web->share_by, CONFIG_FACT_TAG);
    cr_expect_str_eq(web->share_tag, "route");
    cr_expect_eq(web->share_limit, 7);
    cr_expect_eq(web->deadline_us, 29500000);
    cr_expect_eq(web->query_timeout_us, 1000000);
    cr_expect_eq(web->transaction_timeout_us, 2000000);
    cr_expect_eq(web->idle_transaction_timeout_us, 3000000);
    cr_expect_eq(web->client_idle_timeout_us, 0);
    cr_expect_eq(web->query_wait_notify_us, -1);
    cr_expect_eq(jobs->match_count, 1);
    cr_expect_eq(jobs->share_by, CONFIG_FACT_NONE);
    cr_expect_eq(rest->match_count, 0);
    cr_expect_eq(rest->weight, 2);
    cr_expect_eq(rest->share_by, CONFIG_FACT_ADDRESS);
    cr_expect_null(rest->share_tag);
    config_unref(&config);
}

/* Problems of class a, whose keys begin at line 6; it has a good match at its end. */
Test(config_classes, values_of_keys)
{
    static const struct {
        const char *line, *told;
    } cases[] = {
        {"reserve = -1", "6: reserve must be a number from 0 to 100000, not \"-1\"\n"},
        {"reserve =", "6: reserve must be a number from 0 to 100000, not \"\"\n"},
        {"limit = many", "6: limit must be a number from 0 to 100000, not \"many\"\n"},
        {"weight = 0", "6: weight must be a number from 1 to 1000, not \"0\"\n"},
        {"weight = 1001", "6: weight must be a number from 1 to 1000, not \"1001\"\n"},
        {"weight = 0.5", "6: weight must be a number from 1 to 1000, not \"0.5\"\n"},
        {"queue_limit = 1000001", "6: queue_limit must be a number from 0 to 1000000, not \"1000001\"\n"},
        {"lend_max = 50ms", "6: lend_max must be a time in seconds from 0 to 1000000000, such as 15 or 0.5, not \"50ms\"\n"},
        {"lend_max =", "6: lend_max must be a time in seconds from 0 to 1000000000, such as 15 or 0.5, not \"\"\n"},
        {"deadline = -1", "6: deadline must be a time in seconds from 0 to 1000000000, such as 15 or 0.5, not \"-1\"\n"},
        {"share_by = job",
         "6: share_by must be one of user, database, application_name, address, or tag.KEY for a tag of the SQL comment, such as tag.job, "
         "not \"job\"\n"},
        {"share_by = tag",
         "6: share_by must be one of user, database, application_name, address, or tag.KEY for a tag of the SQL comment, such as tag.job, "
         "not \"tag\"\n"},
        {"share_by = port",
         "6: share_by must be one of user, database, application_name, address, or tag.KEY for a tag of the SQL comment, such as tag.job, "
         "not \"port\"\n"},
        {"share_by = user\nshare_by = user", "7: share_by is said twice, first on line 6: keep one\n"},
        {"weight = 1\nweight = 2", "7: weight is said twice, first on line 6: keep one\n"},
        {"share_limit = 2",
         "6: class \"a\": share_limit needs share_by, which says what is limited: add one, such as share_by = tag.job, or use limit for "
         "the whole class\n"},
        {"share_limit = 0", ""},
        {"reserve = 5\nlimit = 4", "6: class \"a\": its reserve of 5 is more than its limit of 4\n"},
        {"reserve = 5\nlimit = 0", ""},
        {"reserve = 5\nlimit = 5", ""},
        {"wieght = 2", "6: unknown key \"wieght\": did you mean weight?\n"},
        {"matches = user=a", "6: unknown key \"matches\": did you mean match?\n"},
        {"shareby = user", "6: unknown key \"shareby\": did you mean share_by?\n"},
        {"pool_mode = session", "6: unknown key \"pool_mode\": remove it\n"},
        {"query_wait_timeout = 3", "6: unknown key \"query_wait_timeout\": in a class it is wait_timeout\n"},
        {"user = web", "6: \"user\" is a condition: write match = user=...\n"},
        {"tag.job = x", "6: \"tag.job\" is a condition: write match = tag.job=...\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, TRUST "[class a]\n%s\nmatch = user=a\n", cases[i].line);
        expect_told(text, *cases[i].told != '\0', cases[i].told);
    }
}

/* One mistake is told once. */
Test(config_classes, a_bad_share_by_or_match_is_no_missing_one)
{
    expect_told(TRUST "[class a]\nmatch = user=a\nshare_limit = 3\nshare_by = nothing\n", true,
                "8: share_by must be one of user, database, application_name, address, or tag.KEY for a tag of the SQL comment, such as "
                "tag.job, not \"nothing\"\n");
    expect_told(TRUST "[class a]\nmatch = usr=a\n", true, "6: unknown condition \"usr\": did you mean user?\n");
}

Test(config_classes, sections)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"[class]\nweight = x\n", "5: [class] lacks the name: write [class NAME]\n"},
        {"[class \"\"]\n", "5: [class] lacks the name: write [class NAME]\n"},
        {"[classes web]\nmatch = user=a\n",
         "5: unknown section [classes web]: there are [pgturnstile], [databases], [database NAME], [users] and [class NAME]\n"},
        {"[clas]\nmatch = user=a\n", "5: unknown section [clas]: did you mean [class]?\n"},
        {"[class a]\nmatch = user=a\n[class b]\nmatch = user=b\n[class a]\nmatch = user=c\nnonsense = 1\n",
         "9: class \"a\" is said twice, first on line 5: keep one\n"},
        {"[class default]\n[class default]\n", "6: class \"default\" is said twice, first on line 5: keep one\n"},
        {"[class 0123456789012345678901234567890123456789012345678901234567890123]\nmatch = user=a\n",
         "5: class \"0123456789012345678901234567890123456789012345678901234567890123\" is longer than 63 bytes\n"},
        {"[class a]\nweight = 2\n",
         "5: class \"a\" has no match, so nobody comes into it: add one, such as match = user=web, or make it [class default]\n"},
        {"[class default]\nmatch = user=a\n",
         "6: the default class takes what no other class matches: remove the match, or give the class a name\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, TRUST "%s", cases[i].text);
        expect_told(text, true, cases[i].told);
    }
}

Test(config_classes, reserves_and_the_budget)
{
    expect_told(
        TRUST "budget = 40\n[class web]\nmatch = user=a\nreserve = 25\n[class worker]\nmatch = user=b\nreserve = 16\n", true,
        "11: the reserves of the classes add up to 41, and the budget is 40: lower a reserve (web 25, worker 16), or raise budget\n");
    expect_told(TRUST "[class web]\nmatch = user=a\nreserve = 86\n", true,
                "7: the reserves of the classes add up to 86, and the budget is 85: lower a reserve (web 86), or raise budget\n");
    /* The budget may stand behind the classes. */
    expect_told("[class web]\nmatch = user=a\nreserve = 25\n" TRUST "budget = 24\n", true,
                "3: the reserves of the classes add up to 25, and the budget is 24: lower a reserve (web 25), or raise budget\n");
    expect_told(
        TRUST "budget = 40\n[class web]\nmatch = user=a\nreserve = 40\n", false,
        "8: warning: the reserves of the classes are the whole budget of 40, so class \"default\" gets only what is lent to it: lower a "
        "reserve (web 40), or raise budget\n");
    struct config *config = load(TRUST "budget = 40\n[class web]\nmatch = user=a\nreserve = 30\n[class default]\nreserve = 10\n");
    config_unref(&config);
    config = load(TRUST "budget = 40\n[class web]\nmatch = user=a\nreserve = 39\n");
    config_unref(&config);
}

Test(config_classes, one_that_never_matches)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"[class all]\nmatch = user=*\n[class web]\nmatch = user=web\n",
         "7: warning: class \"web\" never matches: class \"all\" of line 5 comes before it and takes all of it; put the narrower class "
         "first\n"},
        {"[class web]\nmatch = user=web\n[class all]\nmatch = user=*\n", ""},
        {"[class net]\nmatch = address=10.0.0.0/8\n[class web]\nmatch = address=10.1.0.0/16 user=web\n",
         "7: warning: class \"web\" never matches: class \"net\" of line 5 comes before it and takes all of it; put the narrower class "
         "first\n"},
        /* One of its lines is enough. */
        {"[class net]\nmatch = address=10.0.0.0/8\n[class web]\nmatch = address=10.1.0.0/16\nmatch = user=web\n", ""},
        {"[class a]\nmatch = user=a\n[class b]\nmatch = user=b\n[class ab]\nmatch = user=a database=d\nmatch = user=b\n",
         "9: warning: class \"ab\" never matches: class \"a\" of line 5 comes before it and takes all of it; put the narrower class "
         "first\n"},
        /* The default class comes last wherever it stands. */
        {"[class default]\nweight = 1\n[class a]\nmatch = user=a\n", ""},
        {"[class a]\nmatch = port=6433\n", "6: warning: class \"a\": nobody comes by port 6433, because listen_port is 6432\n"},
        {"listen_port = 6433\n[class a]\nmatch = port=6433\n", ""},
        {"[class a]\nmatch = port=unix\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, TRUST "%s", cases[i].text);
        expect_told(text, false, cases[i].told);
    }
}

static void write_classes(int count)
{
    FILE *file = fopen(path, "w");
    fputs(TRUST, file);
    for (int i = 0; i < count; i++) fprintf(file, "[class c%d]\nmatch = user=u%d\n", i, i);
    fclose(file);
}

Test(config_classes, as_many_as_are_possible)
{
    write_classes(CONFIG_CLASSES_MAX - 1);
    struct config *config = load_file();
    cr_assert_not_null(config, "%s", told);
    cr_assert_eq(config->class_count, CONFIG_CLASSES_MAX);
    cr_assert_str_eq(config->classes[CONFIG_CLASSES_MAX - 2].name, "c62");
    cr_assert_str_eq(config->classes[CONFIG_CLASSES_MAX - 1].name, "default");
    config_unref(&config);

    write_classes(CONFIG_CLASSES_MAX);
    config = load_file();
    cr_assert_null(config);
    cr_assert_str_eq(told, "0: there are 65 classes, the default class included, and at most 64 are possible\n");
}

static void expect_times(struct config_times times, const int64_t expected_s[7])
{
    const int64_t said[] = {times.wait_us,        times.notify_us,           times.deadline_us,   times.query_us,
                            times.transaction_us, times.idle_transaction_us, times.client_idle_us};
    for (size_t i = 0; i < 7; i++) cr_expect_eq(said[i], expected_s[i] < 0 ? -1 : expected_s[i] * 1000000, "%zu", i);
}

Test(config_classes, a_class_comes_before_a_user_before_a_database)
{
    struct config *config =
        load("[databases]\na = query_wait_timeout=1\nb =\n"
             "[users]\n"
             "u = query_wait_timeout=2 query_timeout=3 transaction_timeout=4 idle_transaction_timeout=5 client_idle_timeout=6\n"
             "v =\n"
             "[pgturnstile]\nauth_type = trust\n"
             "[class full]\nmatch = user=x\n"
             "wait_timeout = 11\nquery_wait_notify = 12\ndeadline = 13\nquery_timeout = 14\ntransaction_timeout = 15\n"
             "idle_transaction_timeout = 16\nclient_idle_timeout = 17\n"
             "[class without_limits]\nmatch = user=y\nwait_timeout = 0\nquery_timeout = 0\n");
    const struct config_database *a = config_find_database(config, "a"), *b = config_find_database(config, "b");
    const struct config_class *full = &config->classes[0], *without_limits = &config->classes[1], *rest = &config->classes[2];
    expect_times(config_times_said(config, rest, b, "v"), (const int64_t[]){-1, -1, -1, -1, -1, -1, -1});
    expect_times(config_times_said(config, NULL, b, NULL), (const int64_t[]){-1, -1, -1, -1, -1, -1, -1});
    expect_times(config_times_said(config, rest, a, "v"), (const int64_t[]){1, -1, -1, -1, -1, -1, -1});
    expect_times(config_times_said(config, rest, a, "w"), (const int64_t[]){1, -1, -1, -1, -1, -1, -1});
    expect_times(config_times_said(config, rest, a, "u"), (const int64_t[]){2, -1, -1, 3, 4, 5, 6});
    expect_times(config_times_said(config, NULL, b, "u"), (const int64_t[]){2, -1, -1, 3, 4, 5, 6});
    expect_times(config_times_said(config, full, a, "u"), (const int64_t[]){11, 12, 13, 14, 15, 16, 17});
    expect_times(config_times_said(config, full, b, NULL), (const int64_t[]){11, 12, 13, 14, 15, 16, 17});
    expect_times(config_times_said(config, without_limits, a, "u"), (const int64_t[]){0, -1, -1, 0, 4, 5, 6});
    config_unref(&config);
}

/* The classes of etc/pgturnstile.ini with the marks of a comment taken away, and the settings as they are. */
static void uncomment_sample(void)
{
    const char *top = getenv("SOURCE_DIR");
    char name[512], line[1024];
    snprintf(name, sizeof name, "%s/etc/pgturnstile.ini", top != NULL ? top : ".");
    FILE *file = fopen(name, "r");
    cr_assert_not_null(file, "%s", name);
    write_file(auth_path, "", 0);
    FILE *copy = fopen(path, "w");
    size_t count, found = 0;
    const struct config_class_key *keys = config_class_keys(&count);
    bool is_class = false, is_default = false;
    while (fgets(line, sizeof line, file) != NULL) {
        is_class |= strncmp(line, ";[class", 7) == 0;
        is_default |= strcmp(line, ";[class default]\n") == 0;
        for (size_t i = 0; i < count && is_default; i++) {
            char expected[256];
            snprintf(expected, sizeof expected, ";%s =%s%s\n", keys[i].name, *keys[i].standard != '\0' ? " " : "", keys[i].standard);
            found += strcmp(line, expected) == 0;
        }
        if (strncmp(line, "auth_file = ", 12) == 0) snprintf(line, sizeof line, "auth_file = %s\n", auth_path);
        fputs(is_class && *line == ';' && line[1] != ' ' && line[1] != '\n' ? line + 1 : line, copy);
    }
    fclose(file);
    fclose(copy);
    cr_assert_eq(found, count, "%zu of %zu keys", found, count);
}

Test(config_classes, the_examples_of_the_sample_work_and_every_key_stands_in_it_with_its_default)
{
    static const char *const names[] = {"web", "worker", "cron", "reporting", "default"};
    uncomment_sample();
    struct config *config = load_file();
    cr_assert_not_null(config, "%s", told);
    cr_assert_str_eq(told, "");
    cr_assert_eq(config->class_count, 5);
    for (size_t i = 0; i < 5; i++) cr_assert_str_eq(config->classes[i].name, names[i]);
    cr_expect_eq(config->classes[0].reserve, 20);
    cr_expect_eq(config->classes[0].match_count, 3);
    cr_expect_str_eq(config->classes[1].share_tag, "job");
    config_unref(&config);
}

/* Cut a good file after each byte, and replace each byte. */
Test(config_classes, damaged_files)
{
    static const char good[] = TRUST "[class a]\nmatch = user='x''*' address=10.0.0.0/8 tag.job=?\nmatch = port=unix\nshare_by = tag.x\n"
                                     "share_limit = 1\nweight = 2\n[class default]\nlend_max = 0.1\n";
    static const char odd[] = "\"'[]=.*/0;\\ \n\xff";
    char text[sizeof good];
    for (size_t i = 0; i < sizeof good; i++) {
        struct config *config = load_bytes(good, i);
        cr_assert(config != NULL || *told != '\0');
        config_unref(&config);
    }
    for (size_t i = sizeof TRUST - 1; i < sizeof good - 1; i++) {
        for (size_t j = 0; j < sizeof odd; j++) {
            memcpy(text, good, sizeof text);
            text[i] = odd[j];
            struct config *config = load_bytes(text, sizeof text - 1);
            cr_assert(config != NULL || *told != '\0');
            if (config != NULL) cr_assert_str_eq(config->classes[config->class_count - 1].name, "default");
            config_unref(&config);
        }
    }
}
