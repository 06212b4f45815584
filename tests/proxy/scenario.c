/*
 * The scripts' language: lines of words, loops, integer expressions. Errors in a script end the program: they are errors of the test.
 */
#include "tests/proxy/scenario.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/detector.h"
#include "proxy/finding_views.h"

enum {
    LINES_MAX = 4000,
    LINE_MAX_SIZE = 300,
    SHAPES_MAX = 100,
    CLIENTS_MAX = 64,
    VARIABLES_MAX = 8,
    DEPTH_MAX = 8,
    EXPECTED_MAX = 16,
    ROWS_MAX = 1200,
    SLOTS_MAX = 16
};
#define LATENCY_US INT64_C(1000)
#define THINK_US   INT64_C(200)

struct script_shape {
    char name[64];
    uint64_t fingerprint;
    struct shape_description description;
    char text[256];
    enum slot_role roles[SLOTS_MAX];
    size_t slot_count;
};

struct script_client {
    char name[32];
    struct detector_client *client;
    char trace[64], route[64];
    uint64_t unit;
    uint64_t pending_rows[512]; /* rows of what was sent and not answered yet */
    size_t pending;
    bool is_in_transaction;
};

struct expectation {
    enum verdict verdict;
    enum confidence confidence;
    char shape[64];
    char options[LINE_MAX_SIZE];
    bool is_met;
};

struct player {
    struct detector *detector;
    struct detector_settings settings;
    int64_t now_us;
    struct script_client clients[CLIENTS_MAX];
    size_t client_count;
    char variables[VARIABLES_MAX];
    int64_t values[VARIABLES_MAX];
    size_t variable_count;
    struct expectation expected[EXPECTED_MAX];
    size_t expected_count;
    struct scenario_result result;
};

static struct script_shape shapes[SHAPES_MAX];
static size_t shape_count;
static char lines[LINES_MAX][LINE_MAX_SIZE];
static size_t line_count;

__attribute__((noreturn)) static void bad(size_t line, const char *why)
{
    fprintf(stderr, "detector_scenarios.txt:%zu: %s: %s\n", line + 1, why, lines[line]);
    abort();
}

/* ---- values ---- */

static uint64_t hash_of(int64_t value)
{
    uint64_t z = (uint64_t)value + 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (z ^ (z >> 31)) | 1;
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325U;
    while (*text != '\0') hash = (hash ^ (uint8_t)*text++) * 0x100000001b3U;
    return hash | 1;
}

/* number | variable, then any of + - * % and another, from left to right. */
static int64_t term(const struct player *player, const char **text, size_t line)
{
    if (isdigit((unsigned char)**text)) {
        char *end;
        int64_t value = strtoll(*text, &end, 10);
        *text = end;
        return value;
    }
    for (size_t i = 0; i < player->variable_count; i++) {
        if (player->variables[i] == **text) {
            (*text)++;
            return player->values[i];
        }
    }
    bad(line, "no such variable");
}

static int64_t evaluate(const struct player *player, const char **text, size_t line)
{
    int64_t value = term(player, text, line);
    while (**text != '\0' && strchr("+-*%/", **text) != NULL) {
        char operator= *(*text)++;
        int64_t right = term(player, text, line);
        switch (operator) {
        case '+': value += right; break;
        case '-': value -= right; break;
        case '*': value *= right; break;
        case '/': value /= right; break;
        default: value %= right; break;
        }
    }
    return value;
}

/* "7,8,20..30,x+1": so many values into `values`. "shuffled(a..b)" is the same without order. */
static size_t value_list(const struct player *player, const char *text, int64_t *values, size_t line)
{
    size_t count = 0;
    bool is_shuffled = strncmp(text, "shuffled(", 9) == 0;
    if (is_shuffled) text += 9;
    while (*text != '\0' && *text != ')') {
        int64_t first = evaluate(player, &text, line), last = first;
        if (text[0] == '.' && text[1] == '.') {
            text += 2;
            last = evaluate(player, &text, line);
        }
        for (int64_t value = first; value <= last; value++) {
            if (count == ROWS_MAX) bad(line, "too many values");
            values[count++] = value;
        }
        if (*text == ',') text++;
    }
    uint32_t seed = 7;
    for (size_t i = count; is_shuffled && i > 1; i--) {
        seed = seed * 1664525U + 1013904223U;
        size_t other = (seed >> 8) % i;
        int64_t value = values[i - 1];
        values[i - 1] = values[other];
        values[other] = value;
    }
    return count;
}

/* ---- shapes ---- */

static struct script_shape *find_shape(const char *name)
{
    for (size_t i = 0; i < shape_count; i++) {
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    }
    return NULL;
}

static enum slot_role role_of(const char *word, size_t line)
{
    static const char *const words[] = {"value", "equal", "range", "list", "limit", "offset"};
    for (int i = 0; i < 6; i++) {
        if (strcmp(words[i], word) == 0) return (enum slot_role)i;
    }
    bad(line, "no such role");
}

/* shape NAME CLASS [roles=a,b] [tables=a,b] TEXT */
static void define_shape(size_t line)
{
    char copy[LINE_MAX_SIZE];
    snprintf(copy, sizeof copy, "%s", lines[line]);
    char *rest = copy;
    (void)strsep(&rest, " ");
    if (shape_count == SHAPES_MAX) bad(line, "too many shapes");
    struct script_shape *shape = &shapes[shape_count++];
    snprintf(shape->name, sizeof shape->name, "%s", strsep(&rest, " "));
    const char *class = strsep(&rest, " ");
    shape->description.class = strcmp(class, "read") == 0     ? SHAPE_READ
                               : strcmp(class, "insert") == 0 ? SHAPE_INSERT
                               : strcmp(class, "write") == 0  ? SHAPE_WRITE
                               : strcmp(class, "begin") == 0  ? SHAPE_BEGIN
                                                              : SHAPE_OTHER;
    shape->description.is_checkout_mark = strcmp(class, "mark") == 0;
    shape->description.is_fetch = strcmp(shape->name, "fetch") == 0;
    shape->description.is_close = strcmp(shape->name, "close") == 0;
    for (;;) {
        if (strncmp(rest, "roles=", 6) == 0) {
            rest += 6;
            char *roles = strsep(&rest, " ");
            for (char *role; (role = strsep(&roles, ",")) != NULL;) shape->roles[shape->slot_count++] = role_of(role, line);
        } else if (strncmp(rest, "tables=", 7) == 0) {
            rest += 7;
            char *tables = strsep(&rest, " ");
            for (char *table; (table = strsep(&tables, ",")) != NULL;)
                shape->description.tables[shape->description.table_count++] = hash_text(table);
        } else {
            break;
        }
    }
    snprintf(shape->text, sizeof shape->text, "%s", rest);
    shape->description.text = shape->text;
    shape->description.text_size = strlen(shape->text);
    shape->fingerprint = hash_text(shape->name);
}

/* ---- clients and their statements ---- */

static struct script_client *client_of(struct player *player, const char *name)
{
    for (size_t i = 0; i < player->client_count; i++) {
        if (strcmp(player->clients[i].name, name) == 0) return &player->clients[i];
    }
    assert(player->client_count < CLIENTS_MAX);
    struct script_client *client = &player->clients[player->client_count++];
    *client = (struct script_client){.client = NULL};
    snprintf(client->name, sizeof client->name, "%s", name);
    return client;
}

static void log_in(struct player *player, struct script_client *client)
{
    if (client->client == NULL) client->client = detector_client_new(player->detector, "shop", "web", "10.0.0.7:4711", player->now_us);
}

struct script_rows {
    struct result_column columns[DETECTOR_COLUMNS_MAX];
    char labels[DETECTOR_COLUMNS_MAX][64];
    int64_t values[DETECTOR_COLUMNS_MAX][ROWS_MAX];
    size_t column_count, row_count;
};
static struct script_rows rows;

/* "id=1..3 owner_id=7,8,9", or "rows=3" */
static void read_rows(const struct player *player, char *text, size_t line)
{
    rows.column_count = rows.row_count = 0;
    for (char *word; (word = strsep(&text, " ")) != NULL;) {
        if (*word == '\0') continue;
        char *equals = strchr(word, '=');
        if (equals == NULL) bad(line, "no such column");
        *equals = '\0';
        if (strcmp(word, "rows") == 0) {
            const char *number = equals + 1;
            rows.row_count = (size_t)evaluate(player, &number, line);
            continue;
        }
        size_t column = rows.column_count++;
        snprintf(rows.labels[column], sizeof rows.labels[column], "%s", word);
        rows.columns[column] = (struct result_column){.table_oid = 16384, .attnum = (int16_t)(column + 1), .label = rows.labels[column]};
        size_t count = value_list(player, equals + 1, rows.values[column], line);
        if (column > 0 && count != rows.row_count) bad(line, "columns of different lengths");
        rows.row_count = count;
    }
}

static void give_rows(struct script_client *client)
{
    if (rows.column_count == 0 || !detector_wants_rows(client->client)) return;
    detector_columns(client->client, rows.columns, rows.column_count);
    for (size_t row = 0; row < rows.row_count; row++) {
        uint64_t hashes[DETECTOR_COLUMNS_MAX];
        for (size_t column = 0; column < rows.column_count; column++) hashes[column] = hash_of(rows.values[column][row]);
        if (!detector_row(client->client, hashes)) return;
    }
}

/* "1,7" with the list=N or unknown that may follow. */
static void send_statement(struct player *player, struct script_client *client, const struct script_shape *shape, char *arguments,
                           size_t line)
{
    struct execution_slot slots[SLOTS_MAX] = {0};
    struct execution execution = {.shape = shape->fingerprint, .slots = slots};
    struct execution_tags tags = {0};
    for (char *word; (word = strsep(&arguments, " ")) != NULL;) {
        const char *text = word;
        if (*word == '\0') continue;
        if (strcmp(word, "unknown") == 0) {
            execution.has_unknown_parameters = true;
        } else if (strcmp(word, "cursor") == 0) {
            execution.opens_cursor = true;
        } else if (strncmp(word, "list=", 5) == 0) {
            text += 5;
            execution.list_length = (uint32_t)evaluate(player, &text, line);
        } else {
            while (*text != '\0') {
                if (execution.slot_count == SLOTS_MAX) bad(line, "too many parameters");
                int64_t value = evaluate(player, &text, line);
                slots[execution.slot_count].hash = hash_of(value);
                slots[execution.slot_count].number = (uint16_t)(execution.slot_count + 1);
                slots[execution.slot_count].role = (uint8_t)shape->roles[execution.slot_count];
                execution.slot_count++;
                if (*text == ',') text++;
            }
        }
    }
    if (execution.slot_count != shape->slot_count) bad(line, "not its number of parameters");
    if (client->trace[0] != '\0' || client->route[0] != '\0') {
        tags = (struct execution_tags){.unit = client->unit,
                                       .unit_text = client->trace,
                                       .unit_text_size = strlen(client->trace),
                                       .route = client->route,
                                       .route_size = strlen(client->route)};
        execution.tags = &tags;
    }
    if (!detector_statement(client->client, &execution, player->now_us)) {
        detector_learn(client->client, shape->fingerprint, &shape->description, player->now_us);
        if (!detector_statement(client->client, &execution, player->now_us)) abort();
    }
    if (shape->description.class == SHAPE_BEGIN) client->is_in_transaction = true;
    if (strcmp(shape->name, "commit") == 0 || strcmp(shape->name, "rollback") == 0) client->is_in_transaction = false;
}

static void answer_all(struct player *player, struct script_client *client)
{
    detector_sync(client->client);
    player->now_us += LATENCY_US;
    for (size_t i = 0; i < client->pending; i++) detector_done(client->client, client->pending_rows[i], false, player->now_us);
    client->pending = 0;
    detector_ready(client->client, client->is_in_transaction ? 'T' : 'I', player->now_us);
    player->now_us += THINK_US;
    detector_tick(player->detector, player->now_us);
}

/* SHAPE ARGUMENTS [-> ROWS] */
static void run_statement(struct player *player, struct script_client *client, char *text, bool is_whole, size_t line)
{
    char *arrow = strstr(text, "->");
    if (arrow != NULL) {
        *arrow = '\0';
        read_rows(player, arrow + 2, line);
    } else {
        rows.column_count = rows.row_count = 0;
    }
    char *name = strsep(&text, " ");
    const struct script_shape *shape = find_shape(name);
    if (shape == NULL) bad(line, "no such shape or command");
    log_in(player, client);
    char nothing[1] = "";
    send_statement(player, client, shape, text ? text : nothing, line);
    if (is_whole) {
        give_rows(client);
        assert(client->pending == 0);
    }
    client->pending_rows[client->pending++] = rows.row_count;
    if (is_whole) answer_all(player, client);
}

static void run_client_line(struct player *player, char *name, char *text, size_t line)
{
    struct script_client *client = client_of(player, name);
    if (strcmp(text, "login") == 0) {
        log_in(player, client);
    } else if (strcmp(text, "logout") == 0) {
        detector_client_free(&client->client, player->now_us);
    } else if (strcmp(text, "begun") == 0) {
        log_in(player, client);
        detector_begun(client->client);
        client->is_in_transaction = true;
    } else if (strncmp(text, "application ", 12) == 0) {
        log_in(player, client);
        detector_application_name(client->client, text + 12, player->now_us);
    } else if (strncmp(text, "trace ", 6) == 0) {
        snprintf(client->trace, sizeof client->trace, "%s", text + 6);
        client->unit = hash_text(client->trace);
    } else if (strncmp(text, "route ", 6) == 0) {
        snprintf(client->route, sizeof client->route, "%s", text + 6);
    } else if (strcmp(text, "untag") == 0) {
        client->trace[0] = client->route[0] = '\0';
        client->unit = 0;
    } else if (strncmp(text, "send ", 5) == 0) {
        run_statement(player, client, text + 5, false, line);
    } else if (strcmp(text, "sync") == 0) {
        answer_all(player, client);
    } else {
        run_statement(player, client, text, true, line);
    }
}

/* ---- lines ---- */

static void pause_for(struct player *player, const char *text, size_t line)
{
    int64_t end_us = player->now_us + evaluate(player, &text, line) * 1000;
    while (player->now_us < end_us) {
        player->now_us += end_us - player->now_us < 50000 ? end_us - player->now_us : 50000;
        detector_tick(player->detector, player->now_us);
    }
}

static void set(struct player *player, const char *name, const char *value, size_t line)
{
    struct detector_settings *settings = &player->settings;
    uint32_t number = (uint32_t)evaluate(player, &value, line);
    if (strcmp(name, "sample_every") == 0) {
        settings->sample_every = number;
    } else if (strcmp(name, "n_plus_one_min") == 0) {
        settings->thresholds.n_plus_one_min = number;
    } else if (strcmp(name, "duplicates_min") == 0) {
        settings->thresholds.duplicates_min = number;
    } else if (strcmp(name, "analysis") == 0) {
        settings->analysis = (enum analysis)number;
    } else {
        bad(line, "no such setting");
    }
    detector_configure(player->detector, settings);
}

static void expect(struct player *player, char *text, size_t line)
{
    if (strcmp(text, "nothing") == 0) return;
    if (player->expected_count == EXPECTED_MAX) bad(line, "too many expectations");
    struct expectation *expected = &player->expected[player->expected_count++];
    int verdict = verdict_find(strsep(&text, " "));
    int confidence = text ? confidence_find(strsep(&text, " ")) : -1;
    if (verdict < 0 || confidence < 0 || text == NULL) bad(line, "expect VERDICT CONFIDENCE SHAPE");
    *expected = (struct expectation){.verdict = (enum verdict)verdict, .confidence = (enum confidence)confidence};
    snprintf(expected->shape, sizeof expected->shape, "%s", strsep(&text, " "));
    snprintf(expected->options, sizeof expected->options, "%s", text ? text : "");
}

/* The line behind the `end` of the loop that begins at `line`. */
static size_t behind_loop(size_t line)
{
    size_t depth = 0;
    for (size_t i = line; i < line_count; i++) {
        if (strncmp(lines[i], "for ", 4) == 0) depth++;
        if (strcmp(lines[i], "end") == 0 && --depth == 0) return i + 1;
    }
    bad(line, "no end");
}

static void play(struct player *player, size_t line, size_t end);

/* for X in LIST ... end */
static void play_loop(struct player *player, size_t line)
{
    static int64_t all[DEPTH_MAX][ROWS_MAX];
    size_t depth = player->variable_count, end = behind_loop(line);
    if (depth == DEPTH_MAX) bad(line, "too deep");
    size_t count = value_list(player, lines[line] + 9, all[depth], line);
    player->variables[depth] = lines[line][4];
    player->variable_count++;
    for (size_t i = 0; i < count; i++) {
        player->values[depth] = all[depth][i];
        play(player, line + 1, end - 1);
    }
    player->variable_count--;
}

static void play(struct player *player, size_t line, size_t end)
{
    while (line < end) {
        char copy[LINE_MAX_SIZE];
        snprintf(copy, sizeof copy, "%s", lines[line]);
        if (strncmp(copy, "for ", 4) == 0) {
            play_loop(player, line);
            line = behind_loop(line);
            continue;
        }
        char *rest = copy;
        char *word = strsep(&rest, " ");
        if (*word != '\0' && rest == NULL) bad(line, "not understood");
        if (*word == '\0') {
        } else if (strcmp(word, "pause") == 0) {
            pause_for(player, rest, line);
        } else if (strcmp(word, "set") == 0) {
            char *name = strsep(&rest, " ");
            set(player, name, rest, line);
        } else if (strcmp(word, "expect") == 0) {
            expect(player, rest, line);
        } else {
            run_client_line(player, word, rest, line);
        }
        line++;
    }
}

/* ---- what was found ---- */

__attribute__((format(printf, 2, 3))) static void complain(struct scenario_result *result, const char *format, ...)
{
    size_t used = strlen(result->report);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->report + used, sizeof result->report - used, format, arguments);
    va_end(arguments);
    result->problems++;
}

static const char *name_of(const char *text)
{
    for (size_t i = 0; i < shape_count; i++) {
        if (strcmp(shapes[i].text, text) == 0) return shapes[i].name;
    }
    return text;
}

static bool has_option(const struct finding_view *view, const char *name, const char *value)
{
    const struct finding *finding = view->finding;
    char text[256];
    if (strcmp(name, "n") == 0) {
        snprintf(text, sizeof text, "%u", view->n_max);
    } else if (strcmp(name, "distinct") == 0) {
        snprintf(text, sizeof text, "%u", view->distinct);
    } else if (strcmp(name, "dup") == 0) {
        snprintf(text, sizeof text, "%u", view->duplicates);
    } else if (strcmp(name, "trips") == 0) {
        snprintf(text, sizeof text, "%u", view->round_trips);
    } else if (strcmp(name, "units") == 0) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)view->totals.units);
    } else if (strcmp(name, "route") == 0) {
        snprintf(text, sizeof text, "%s", finding->route);
    } else if (strcmp(name, "link") == 0) {
        snprintf(text, sizeof text, "%s", link_word(finding->parent.link));
    } else if (strcmp(name, "unit") == 0) {
        snprintf(text, sizeof text, "%s", unit_kind_word(finding->unit_kind));
    } else if (strcmp(name, "parent") == 0) {
        snprintf(text, sizeof text, "%s.%s", finding->parent.shape ? name_of(finding->parent.shape) : "none", finding->parent.label);
    } else {
        return false;
    }
    return strcmp(text, value) == 0;
}

static void describe(const struct finding_view *view, char *text, size_t size)
{
    const struct finding *finding = view->finding;
    snprintf(text, size, "%s %s %s n=%u distinct=%u dup=%u trips=%u units=%llu unit=%s route=%s parent=%s.%s link=%s (%.2f/%.2f/%.2f)",
             verdict_word(finding->verdict), confidence_word(finding->confidence), name_of(finding->shape), view->n_max, view->distinct,
             view->duplicates, view->round_trips, (unsigned long long)view->totals.units, unit_kind_word(finding->unit_kind),
             finding->route, finding->parent.shape ? name_of(finding->parent.shape) : "none", finding->parent.label,
             link_word(finding->parent.link), (double)finding->parent.cover, (double)finding->parent.inorder, (double)finding->parent.used);
}

static void compare(struct player *player, const struct finding_view *view)
{
    const struct finding *finding = view->finding;
    struct scenario_result *result = &player->result;
    char text[600];
    describe(view, text, sizeof text);
    for (size_t i = 0; i < player->expected_count; i++) {
        struct expectation *expected = &player->expected[i];
        if (expected->verdict != finding->verdict || strcmp(expected->shape, name_of(finding->shape)) != 0) continue;
        expected->is_met = true;
        if (expected->confidence != finding->confidence)
            complain(result, "  %s: expected to be %s\n", text, confidence_word(expected->confidence));
        else
            result->proven_right += finding->confidence == CONFIDENCE_PROVEN;
        char options[LINE_MAX_SIZE];
        snprintf(options, sizeof options, "%s", expected->options);
        char *rest = options;
        for (char *option; (option = strsep(&rest, " ")) != NULL;) {
            char *value = strchr(option, '=');
            if (value == NULL) continue;
            *value++ = '\0';
            if (!has_option(view, option, value)) complain(result, "  %s: expected %s=%s\n", text, option, value);
        }
        return;
    }
    complain(result, "  not expected: %s\n", text);
}

static void finish(struct player *player)
{
    struct scenario_result *result = &player->result;
    struct finding_view *views;
    for (size_t i = 0; i < player->client_count; i++) {
        /* Who has not logged out is still there when the report is looked at. */
        if (player->clients[i].client != NULL) detector_flush(player->detector, player->now_us);
    }
    detector_flush(player->detector, player->now_us);
    size_t count = finding_views_rank(detector_findings(player->detector), 0, player->now_us, &views);
    result->found = count;
    result->expected = player->expected_count;
    for (size_t i = 0; i < count; i++) {
        result->proven_found += views[i].finding->confidence == CONFIDENCE_PROVEN;
        compare(player, &views[i]);
    }
    for (size_t i = 0; i < player->expected_count; i++) {
        const struct expectation *expected = &player->expected[i];
        result->proven_expected += expected->confidence == CONFIDENCE_PROVEN;
        if (!expected->is_met)
            complain(result, "  missed: %s %s %s\n", verdict_word(expected->verdict), confidence_word(expected->confidence),
                     expected->shape);
    }
    free(views);
    for (size_t i = 0; i < player->client_count; i++) detector_client_free(&player->clients[i].client, player->now_us);
    detector_free(&player->detector);
}

static void read_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        abort();
    }
    line_count = 0;
    while (line_count < LINES_MAX && fgets(lines[line_count], LINE_MAX_SIZE, file) != NULL) {
        char *line = lines[line_count];
        char *comment = strchr(line, '#');
        if (comment != NULL) *comment = '\0';
        size_t size = strlen(line), indent = strspn(line, " ");
        while (size > 0 && isspace((unsigned char)line[size - 1])) line[--size] = '\0';
        memmove(line, line + (indent < size ? indent : size), strlen(line + (indent < size ? indent : size)) + 1);
        line_count++;
    }
    assert(feof(file));
    fclose(file);
}

size_t scenarios_play(const char *path, uint32_t sample_every, void (*done)(void *context, const struct scenario_result *result),
                      void *context)
{
    size_t count = 0;
    read_lines(path);
    shape_count = 0;
    for (size_t line = 0; line < line_count;) {
        if (strncmp(lines[line], "== ", 3) != 0) {
            if (strncmp(lines[line], "shape ", 6) == 0)
                define_shape(line);
            else if (lines[line][0] != '\0')
                bad(line, "not understood");
            line++;
            continue;
        }
        static struct player player;
        size_t end = line + 1;
        while (end < line_count && strncmp(lines[end], "== ", 3) != 0) end++;
        player = (struct player){.now_us = 1000000};
        struct settings settings;
        settings_init(&settings);
        detector_settings_from(&settings, &player.settings);
        if (sample_every > 0) player.settings.sample_every = sample_every;
        player.detector = detector_new(&player.settings, &(struct detector_host){0}, 0);
        snprintf(player.result.name, sizeof player.result.name, "%s", lines[line] + 3);
        play(&player, line + 1, end);
        finish(&player);
        done(context, &player.result);
        count++;
        line = end;
    }
    return count;
}
