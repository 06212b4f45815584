/* The console's language. */
#include "proxy/admin_parse.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text stands at the end of a block of its size, so that a read beyond it is found. */
static enum codec_result parse(const char *text, struct admin_command *command)
{
    size_t size = strlen(text), used;
    const char *why, *hint;
    char *copy = malloc(size + 1);
    memcpy(copy, text, size);
    char *exact = realloc(copy, size > 0 ? size : 1);
    enum codec_result result = admin_parse(exact, size, command, &used, &why, &hint);
    cr_assert_leq(used, size);
    cr_assert(size == 0 || used > 0);
    cr_assert_eq(result == CODEC_BAD, why != NULL, "%s", text);
    free(exact);
    return result;
}

static struct admin_command good(const char *text)
{
    struct admin_command command;
    cr_assert_eq(parse(text, &command), CODEC_OK, "%s", text);
    return command;
}

static void bad(const char *text)
{
    struct admin_command command;
    cr_expect_eq(parse(text, &command), CODEC_BAD, "%s", text);
}

Test(admin_parse, every_show_by_its_name)
{
    for (unsigned i = 0; i < SHOW_COUNT; i++) {
        char text[80];
        snprintf(text, sizeof text, "sHoW %s ; x", admin_show_of((enum show_id)i)->name);
        struct admin_command command = good(text);
        cr_expect(command.verb == VERB_SHOW && command.show == i, "%s", text);
        snprintf(text, sizeof text, "/* a */ select -- b\n%s", admin_show_of((enum show_id)i)->name);
        command = good(text);
        cr_expect(command.verb == VERB_SHOW && command.show == i, "%s", text);
    }
    cr_expect_eq(good("show").verb, VERB_SHOW_HELP);
    cr_expect_eq(good("show help;").verb, VERB_SHOW_HELP);
    bad("show nothing");
    bad("show pools app");
    bad("select");
    bad("select * from pools");
    bad("select 2");
}

Test(admin_parse, duplicates_have_another_name_and_a_span)
{
    static const char *const texts[] = {"show duplicates", "show duplicates since 600", "show n_plus_one", "SHOW N_Plus_One  since 600 ;",
                                        "select n_plus_one"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct admin_command command = good(texts[i]);
        cr_expect(command.verb == VERB_SHOW && command.show == SHOW_DUPLICATES, "%s", texts[i]);
        cr_expect_eq(command.number, strstr(texts[i], "since") ? 600 : 0, "%s", texts[i]);
    }
    bad("show n_plus_ones");
    bad("show n_plus_one since");
    bad("show n_plus_one since x");
}

Test(admin_parse, every_show_has_documented_columns_and_fits_the_formats)
{
    for (unsigned i = 0; i < SHOW_COUNT; i++) {
        uint16_t count;
        const struct show_column *columns = admin_show_columns((enum show_id)i, &count);
        cr_expect(count > 0 && count <= SHOW_COLUMNS_MAX);
        cr_expect_gt(strlen(admin_show_of((enum show_id)i)->text), 10);
        bool is_empty = strstr(admin_show_of((enum show_id)i)->text, "Always empty") != NULL;
        for (uint16_t column = 0; column < count; column++) {
            cr_expect(is_empty || strlen(columns[column].text) > 3, "%s.%s", admin_show_of((enum show_id)i)->name, columns[column].name);
            for (uint16_t other = 0; other < column; other++) cr_expect_str_neq(columns[other].name, columns[column].name);
        }
    }
}

Test(admin_parse, databases)
{
    cr_expect_str_eq(good("pause").argument, "");
    cr_expect_str_eq(good("PAUSE;").argument, "");
    cr_expect_str_eq(good("pause App").argument, "App");
    cr_expect_str_eq(good("pause my-db_2.x ;").argument, "my-db_2.x");
    cr_expect_str_eq(good("resume \"a \"\"b\"\"; c\"").argument, "a \"b\"; c");
    cr_expect_str_eq(good("kill 'it''s'").argument, "it's");
    cr_expect_eq(good("disable x").verb, VERB_DISABLE);
    cr_expect_eq(good("wait_close").verb, VERB_WAIT_CLOSE);
    bad("disable");
    bad("enable ;");
    bad("pause a b");
    bad("pause \"a\" b");
    bad("pause \"a");
    bad("suspend x");
    bad("reload now");
    bad("pauses");
    bad("drop table x");
    char text[600] = "pause ";
    memset(text + 6, 'x', 255);
    cr_expect_eq(strlen(good(text).argument), 255);
    text[6 + 255] = 'x';
    bad(text);
}

Test(admin_parse, other_arguments)
{
    cr_expect_eq(good("kill_client 17").number, 17);
    cr_expect_eq(good("kill_client '17'").number, 17);
    bad("kill_client");
    bad("kill_client x");
    bad("kill_client ''");
    bad("kill_client 1 2");
    bad("kill_client 99999999999999999999999");
    cr_expect_eq(good("shutdown").mode, SHUTDOWN_AT_ONCE);
    cr_expect_eq(good("shutdown wait_for_servers").mode, SHUTDOWN_WAIT_FOR_SERVERS);
    cr_expect_eq(good("SHUTDOWN WAIT_FOR_CLIENTS;").mode, SHUTDOWN_WAIT_FOR_CLIENTS);
    bad("shutdown now");
    bad("shutdown wait_for_clients now");
    struct admin_command set = good("set budget = 5");
    cr_expect(set.verb == VERB_SET && strcmp(set.argument, "budget") == 0 && strcmp(set.value, "5") == 0);
    set = good("SET server_reset_query TO 'DISCARD ALL; '';'");
    cr_expect(set.verb == VERB_SET && strcmp(set.value, "DISCARD ALL; ';") == 0, "%s", set.value);
    set = good("set admin_users=a, b ,c");
    cr_expect_str_eq(set.value, "a, b ,c");
    cr_expect_str_eq(good("set logfile = ").value, "");
    cr_expect_eq(good("set session extra_float_digits = 3").verb, VERB_SET_FAKE);
    cr_expect_eq(good("set time zone 'UTC'").verb, VERB_SET_FAKE);
    bad("set");
    bad("set budget");
    bad("set budget 5");
    bad("set 'budget' = 5");
}

Test(admin_parse, statements_follow_each_other)
{
    static const char text[] = " ; show version; /* ; */ pause \"a;b\" ;bad one;resume";
    static const enum admin_verb verbs[] = {VERB_NOTHING, VERB_SHOW, VERB_PAUSE, VERB_NOTHING, VERB_RESUME};
    size_t position = 0;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        struct admin_command command;
        size_t used;
        const char *why, *hint;
        enum codec_result result = admin_parse(text + position, sizeof text - 1 - position, &command, &used, &why, &hint);
        cr_expect_eq(result, i == 3 ? CODEC_BAD : CODEC_OK);
        cr_expect_eq(command.verb, verbs[i], "statement %zu", i);
        position += used;
    }
    cr_expect_eq(position, sizeof text - 1);
}

Test(admin_parse, roles)
{
    struct admin_command command = good("show fds");
    cr_expect_eq(admin_command_role(&command), CONSOLE_ADMIN);
    for (unsigned i = 0; i < SHOW_COUNT; i++) {
        command = (struct admin_command){.verb = VERB_SHOW, .show = (enum show_id)i};
        cr_expect_eq(admin_command_role(&command), i == SHOW_FDS ? CONSOLE_ADMIN : CONSOLE_STATS);
        cr_expect_str_eq(admin_command_tag(&command), "SHOW");
    }
    for (int verb = VERB_PAUSE; verb <= VERB_SET; verb++) {
        command = (struct admin_command){.verb = (enum admin_verb)verb};
        cr_expect_eq(admin_command_role(&command), CONSOLE_ADMIN, "%s", admin_command_tag(&command));
    }
}
