/* pgturnstile report: which statements are asked again and again. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "proxy/admin_client.h"
#include "proxy/admin_options.h"
#include "proxy/clock.h"
#include "proxy/commands.h"
#include "proxy/report.h"
#include "proxy/report_baseline.h"
#include "proxy/report_html.h"
#include "proxy/report_json.h"
#include "proxy/report_text.h"

enum { EXIT_UNCOVERED = 1, EXIT_USAGE = 2, EXIT_NO_REPORT = 3 };

static const char help[] =
    "Usage: pgturnstile report [--json | --html FILE | --ci BASELINE] [--since SPAN] [OPTION]...\n\n"
    "Tells which statements a running pgturnstile has seen asked again and again (N+1 queries, duplicates, loops),\n"
    "the most time lost first.\n\n"
    "  -j, --json         as JSON\n"
    "  -o, --html=FILE    write a page with charts; - is standard output\n"
    "  -c, --ci=BASELINE  exit with status 1 when there is a finding that BASELINE does not cover: a report as JSON,\n"
    "                     or a list of ids. Findings that are gone, and those of severity info, need no cover\n"
    "  -S, --since=SPAN   only what was seen in this time: 90s, 10m, 2h, 1d\n" ADMIN_OPTIONS_HELP
    "\nExit status: 0 when all went well; 1 with --ci and findings; 2 when it was called wrongly; 3 when there is no report,\n"
    "or no baseline.\n";

struct report_options {
    struct admin_target target;
    bool is_json, is_help;
    const char *html, *baseline;
    int64_t since_us; /* 0: ever */
};

static bool parse(int argc, char **argv, struct report_options *options)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'},         {"html", required_argument, NULL, 'o'},
                                          {"ci", required_argument, NULL, 'c'},     {"since", required_argument, NULL, 'S'},
                                          {"socket", required_argument, NULL, 's'}, {"host", required_argument, NULL, 'H'},
                                          {"port", required_argument, NULL, 'p'},   {"user", required_argument, NULL, 'U'},
                                          {"help", no_argument, NULL, 'h'},         {0}};
    for (int letter; (letter = getopt_long(argc, argv, "jo:c:S:s:H:p:U:h", names, NULL)) != -1;) {
        switch (letter) {
        case 'j': options->is_json = true; break;
        case 'o': options->html = optarg; break;
        case 'c': options->baseline = optarg; break;
        case 's':
        case 'H':
            options->target.host = optarg;
            options->target.is_socket = letter == 's';
            break;
        case 'p': options->target.port = optarg; break;
        case 'U': options->target.user = optarg; break;
        case 'h': options->is_help = true; break;
        case 'S':
            if (report_read_span(optarg, &options->since_us)) break;
            fprintf(stderr, "pgturnstile report: \"%s\" is no span of time like 90s, 10m, 2h or 1d\n", optarg);
            return false;
        default: return false;
        }
    }
    if (optind == argc) return true;
    fprintf(stderr, "pgturnstile report: what is \"%s\"?\n", argv[optind]);
    return false;
}

static int fail(const char *text)
{
    fprintf(stderr, "pgturnstile report: %s\n", text);
    return EXIT_NO_REPORT;
}

static struct text_table *ask(const struct report_options *options, struct error *error)
{
    char what[64];
    struct admin_client *client = admin_client_open(&options->target, error);
    if (!client) return NULL;
    snprintf(what, sizeof what, options->since_us > 0 ? "duplicates since %lld" : "duplicates", (long long)(options->since_us / 1000000));
    struct text_table *table = admin_client_show(client, what, error);
    admin_client_close(&client);
    if (!table || report_is_complete(table)) return table;
    text_table_free(&table);
    error_set(error, "", "the pgturnstile that runs is of another version than this command, or is none");
    return NULL;
}

static int write_text(const char *path, const char *text)
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *out = is_stdout ? stdout : fopen(path, "w");
    int failed = !out || fputs(text, out) == EOF || fflush(out);
    if (out && !is_stdout && fclose(out)) failed = 1;
    if (!failed) return 0;
    char why[512];
    snprintf(why, sizeof why, "%s: %s", path, strerror(errno));
    return fail(why);
}

static size_t terminal_width(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int judge(const struct report_options *options, const struct text_table *table)
{
    struct error error;
    struct report_baseline *baseline = report_baseline_read(options->baseline, &error);
    if (!baseline) return fail(error.text);
    struct text_table *uncovered = report_baseline_uncovered(baseline, table);
    size_t count = text_table_rows(uncovered);
    if (count > 0) {
        printf("%zu repeated statement%s that %s does not cover:\n\n", count, count == 1 ? "" : "s", options->baseline);
        report_text_print(uncovered, terminal_width(), stdout);
        fputs("\nTo accept them, add their ids:\n", stdout);
        report_text_print_ids(uncovered, stdout);
    } else {
        printf("Nothing that %s does not cover.\n", options->baseline);
    }
    text_table_free(&uncovered);
    report_baseline_free(&baseline);
    return count > 0 ? EXIT_UNCOVERED : 0;
}

static int show(const struct report_options *options, const struct text_table *table)
{
    int64_t now_us = clock_wall_us(), since_us = options->since_us > 0 ? now_us - options->since_us : 0;
    if (!options->is_json && !options->html) {
        report_text_print(table, terminal_width(), stdout);
        return fflush(stdout) ? EXIT_NO_REPORT : 0;
    }
    char *text = options->html ? report_html(table, since_us, now_us) : report_json(table, since_us, now_us);
    int status = write_text(options->html ? options->html : "-", text);
    if (!options->html) putchar('\n');
    free(text);
    return status;
}

int cmd_report(int argc, char **argv)
{
    struct report_options options = {0};
    bool is_right = parse(argc, argv, &options);
    if (is_right && options.is_json + (options.html != NULL) + (options.baseline != NULL) > 1) {
        fputs("pgturnstile report: --json, --html and --ci exclude each other\n", stderr);
        is_right = false;
    }
    if (!is_right || options.is_help) {
        fputs(help, is_right ? stdout : stderr);
        return is_right ? 0 : EXIT_USAGE;
    }
    struct error error;
    struct text_table *table = ask(&options, &error);
    if (!table) return fail(error.text);
    int status = options.baseline ? judge(&options, table) : show(&options, table);
    text_table_free(&table);
    return status;
}
