/* pgturnstile show: one answer of the console. */
#include <stdio.h>
#include <string.h>

#include "proxy/admin_client.h"
#include "proxy/admin_options.h"
#include "proxy/commands.h"

static const char help[] = "Usage: pgturnstile show WHAT [OPTION]...\n\n"
                           "Prints what the console of a running pgturnstile answers to SHOW WHAT: pools, clients, servers,\n"
                           "databases, stats, lists, config ... (show help lists them).\n\n"
                           "  -j, --json         as JSON, an array with an object for each row\n" ADMIN_OPTIONS_HELP;

static int fail(const char *text)
{
    fprintf(stderr, "pgturnstile show: %s\n", text);
    return 1;
}

/* The words of SHOW as one text. */
static void join(char **words, int count, char *text_out, size_t size)
{
    size_t used = 0;
    *text_out = '\0';
    for (int i = 0; i < count && used < size; i++)
        used += (size_t)snprintf(text_out + used, size - used, "%s%s", i > 0 ? " " : "", words[i]);
}

int cmd_show(int argc, char **argv)
{
    struct admin_options options;
    char what[256];
    if (!admin_options_parse(argc, argv, &options) || (!options.is_help && options.argument_count < 1)) {
        fputs(help, stderr);
        return 2;
    }
    if (options.is_help) {
        fputs(help, stdout);
        return 0;
    }
    join(options.arguments, options.argument_count, what, sizeof what);
    struct error error;
    struct admin_client *client = admin_client_open(&options.target, &error);
    if (!client) return fail(error.text);
    struct text_table *table = admin_client_show(client, what, &error);
    admin_client_close(&client);
    if (!table) return fail(error.text);
    if (options.is_json)
        text_table_print_json(table, stdout);
    else if (text_table_columns(table) > 0)
        text_table_print(table, &(struct text_table_view){.rows_max = SIZE_MAX}, stdout);
    text_table_free(&table);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
