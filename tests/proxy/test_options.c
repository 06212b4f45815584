#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "proxy/commands.h"
#include "proxy/options.h"

TestSuite(options);

static struct options options;

/* Parse words that are separated by blanks. */
static enum options_result parse(const char *line)
{
    static char text[256];
    static char *arguments[32];
    int count = 0;
    char *rest = text;
    snprintf(text, sizeof text, "%s", line);
    while (rest != NULL) arguments[count++] = strsep(&rest, " ");
    arguments[count] = NULL;
    return options_parse(count, arguments, &options);
}

Test(options, nothing_but_a_configuration)
{
    cr_assert_eq(parse("pgturnstile my.ini"), OPTIONS_RUN);
    cr_assert_str_eq(options.config, "my.ini");
    cr_assert(!options.is_daemon && !options.is_quiet && !options.takes_over && options.verbosity == 0 && options.user == NULL);
}

Test(options, those_of_pgbouncer)
{
    cr_assert_eq(parse("pgturnstile -d -q -vv -u web -R my.ini"), OPTIONS_RUN);
    cr_assert(options.is_daemon && options.is_quiet && options.takes_over && options.verbosity == 2);
    cr_assert_str_eq(options.user, "web");
    cr_assert_eq(parse("pgturnstile my.ini --daemon --quiet --verbose --user=web --reboot"), OPTIONS_RUN);
    cr_assert(options.is_daemon && options.is_quiet && options.takes_over && options.verbosity == 1);
    cr_assert_str_eq(options.config, "my.ini");
}

Test(options, help_and_version)
{
    cr_assert_eq(parse("pgturnstile -h"), OPTIONS_HELP);
    cr_assert_eq(parse("pgturnstile --version"), OPTIONS_VERSION);
}

Test(options, wrong_ones)
{
    static const char *const lines[] = {"pgturnstile", "pgturnstile -x my.ini", "pgturnstile one.ini two.ini", "pgturnstile my.ini -u"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) cr_expect_eq(parse(lines[i]), OPTIONS_BAD, "%s", lines[i]);
}

Test(options, commands_are_found_by_their_whole_name)
{
    cr_assert_eq(commands_find("check"), cmd_check);
    cr_assert_eq(commands_find("top"), cmd_top);
    cr_assert_null(commands_find("./check"));
    cr_assert_null(commands_find("che"));
    cr_assert_null(commands_find(""));
}
