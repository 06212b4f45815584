/*
 * The parser of the console's commands. Names of databases may stand bare, in double quotes or as a string; bare ones mean what they say, upper case and hyphens included,
 * for that is how PgBouncer reads them.
 *
 * Invariant: nothing is read beyond `size`; the command's texts always have their NUL.
 */
#include "proxy/admin_parse.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol/sql_lex.h"

enum argument {
    ARGUMENT_NONE,
    ARGUMENT_DATABASE,
    ARGUMENT_DATABASE_OR_NOT,
    ARGUMENT_NUMBER,
    ARGUMENT_SHUTDOWN,
    ARGUMENT_SETTING,
    ARGUMENT_IGNORED
};

static const struct verb {
    enum admin_verb verb;
    const char *word;
    enum argument argument;
    enum console_role role;
    const char *written, *text;
} verbs[] = {
#define X(verb_, word_, argument_, role_, written_, text_) \
    {.verb = verb_, .word = word_, .argument = argument_, .role = role_, .written = written_, .text = text_},
#include "proxy/admin_verbs.def"
#undef X
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static const struct fake {
    const char *name, *value;
} fakes[] = {
#define X(name_, value_) {.name = #name_, .value = value_},
#include "proxy/admin_fakes.def"
#undef X
};

/* The tokens of one statement, comments left out, from the one looked at on. */
struct reader {
    const char *text;
    struct sql_lex lex;
    struct sql_token_span token;
    bool has_token;
    size_t used;
    const char *why, *hint;
};

static void step(struct reader *reader)
{
    do reader->has_token = sql_lex_next(&reader->lex, &reader->token);
    while (reader->has_token && (reader->token.kind == SQL_LINE_COMMENT || reader->token.kind == SQL_BLOCK_COMMENT));
    reader->used = reader->has_token ? reader->token.end : reader->lex.size;
    if (reader->has_token && reader->token.kind == SQL_CHARACTER && reader->text[reader->token.start] == ';') reader->has_token = false;
}

static bool fail(struct reader *reader, const char *why, const char *hint)
{
    reader->why = why;
    reader->hint = hint;
    return false;
}

static bool is_word(const struct reader *reader, const char *word)
{
    size_t size = reader->token.end - reader->token.start;
    return reader->has_token && size == strlen(word) && strncasecmp(reader->text + reader->token.start, word, size) == 0;
}

static bool copy(struct reader *reader, const char *from, size_t size, char *text_out, size_t capacity)
{
    if (size >= capacity || memchr(from, '\0', size)) return fail(reader, "the name or value is too long", NULL);
    memcpy(text_out, from, size);
    text_out[size] = '\0';
    return true;
}

/* Without its quotes, each doubled one once. */
static bool copy_quoted(struct reader *reader, char *text_out, size_t capacity)
{
    const char *from = reader->text + reader->token.start, quote = *from;
    size_t size = reader->token.end - reader->token.start, written = 0;
    if (reader->token.is_unterminated || size < 2 || from[size - 1] != quote) return fail(reader, "unterminated quoted text", NULL);
    for (size_t i = 1; i + 1 < size; i++) {
        if (from[i] == quote && i + 2 < size && from[i + 1] == quote) i++;
        if (written + 1 >= capacity || from[i] == '\0') return fail(reader, "the name or value is too long", NULL);
        text_out[written++] = from[i];
    }
    text_out[written] = '\0';
    return true;
}

/* The rest of the statement: one quoted text, or as it stands, up to a semicolon. */
static bool read_rest(struct reader *reader, bool may_hold_blanks, char *text_out, size_t capacity)
{
    bool is_quoted = reader->token.kind == SQL_QUOTED || reader->token.kind == SQL_STRING;
    if (is_quoted) {
        if (!copy_quoted(reader, text_out, capacity)) return false;
        step(reader);
        return reader->has_token ? fail(reader, "something follows the quoted text", NULL) : true;
    }
    size_t start = reader->token.start, end = reader->token.end;
    bool has_blanks = false;
    for (; reader->has_token; step(reader)) {
        if (reader->token.start > end) has_blanks = true;
        if (reader->token.end > end) end = reader->token.end;
    }
    if (has_blanks && !may_hold_blanks) return fail(reader, "more than one name was given", "Put a name with blanks into double quotes.");
    return copy(reader, reader->text + start, end - start, text_out, capacity);
}

static const struct fake *find_fake(const char *name)
{
    for (size_t i = 0; i < sizeof fakes / sizeof fakes[0]; i++)
        if (strcasecmp(fakes[i].name, name) == 0) return &fakes[i];
    return NULL;
}

static const char duplicates[] = "DUPLICATES";

/* The word that people look for: another name of the same size, so what follows stays where it is. */
static void resolve_alias(char *name)
{
    static const char alias[] = "N_PLUS_ONE";
    size_t size = sizeof alias - 1;
    static_assert(sizeof alias == sizeof duplicates, "it is replaced in place");
    if (strncasecmp(name, alias, size) == 0 && (name[size] == '\0' || strchr(" \t\r\n", name[size]))) memcpy(name, duplicates, size);
}

/* "DUPLICATES SINCE 600": the number of seconds is taken off the name. */
static bool take_since(struct reader *reader, char *name, struct admin_command *command)
{
    static const char word[] = "SINCE";
    size_t size = sizeof duplicates - 1;
    if (strncasecmp(name, duplicates, size) != 0) return true;
    const char *rest = name + size;
    rest += strspn(rest, " \t\r\n");
    if (rest == name + size || strncasecmp(rest, word, sizeof word - 1) != 0) return true;
    rest += sizeof word - 1;
    size_t blanks = strspn(rest, " \t\r\n"), digits = strspn(rest + blanks, "0123456789");
    if (blanks == 0 || digits == 0 || digits > 9 || rest[blanks + digits]) return fail(reader, "SINCE takes a number of seconds", NULL);
    command->number = strtoull(rest + blanks, NULL, 10);
    name[size] = '\0';
    return true;
}

static bool read_show(struct reader *reader, struct admin_command *command, bool is_select)
{
    static const char hint[] = "SHOW HELP lists what there is.";
    step(reader);
    if (!reader->has_token) {
        if (is_select) return fail(reader, "nothing is selected", hint);
        command->verb = VERB_SHOW_HELP;
        return true;
    }
    char name[64];
    if (!read_rest(reader, true, name, sizeof name)) return fail(reader, "there is no such SHOW, and no SQL here", hint);
    resolve_alias(name);
    if (!take_since(reader, name, command)) return false;
    const struct show *show = admin_show_find(name);
    const struct fake *fake = find_fake(strcasecmp(name, "TIME ZONE") == 0 ? "timezone" : name);
    if (show) {
        command->verb = VERB_SHOW;
        command->show = show->id;
    } else if (strcasecmp(name, "HELP") == 0) {
        command->verb = VERB_SHOW_HELP;
    } else if (fake || (is_select && strcmp(name, "1") == 0)) {
        command->verb = VERB_SHOW_FAKE;
        snprintf(command->argument, sizeof command->argument, "%s", fake ? fake->name : "?column?");
        snprintf(command->value, sizeof command->value, "%s", fake ? fake->value : "1");
    } else {
        return fail(reader, "there is no such SHOW, and no SQL here", hint);
    }
    return true;
}

/* SET key = value, SET key TO value; SESSION may stand in front, as in SQL. */
static bool read_setting(struct reader *reader, struct admin_command *command)
{
    static const char hint[] = "Write SET key = value.";
    step(reader);
    if (is_word(reader, "SESSION")) step(reader);
    if (!reader->has_token || reader->token.kind != SQL_WORD) return fail(reader, "SET lacks the name of a setting", hint);
    if (!copy(reader, reader->text + reader->token.start, reader->token.end - reader->token.start, command->argument,
              sizeof command->argument))
        return false;
    step(reader);
    bool is_zone = strcasecmp(command->argument, "TIME") == 0 && is_word(reader, "ZONE");
    if (is_zone) snprintf(command->argument, sizeof command->argument, "timezone");
    if (!is_zone && !is_word(reader, "TO") && !is_word(reader, "=")) return fail(reader, "SET lacks = and a value", hint);
    step(reader);
    if (reader->has_token && !read_rest(reader, true, command->value, sizeof command->value)) return false;
    if (find_fake(command->argument)) command->verb = VERB_SET_FAKE;
    return true;
}

static bool read_number(struct reader *reader, struct admin_command *command)
{
    step(reader);
    char digits[32];
    if (!reader->has_token || !read_rest(reader, false, digits, sizeof digits)) return fail(reader, "an id is missing", NULL);
    command->number = 0;
    for (const char *digit = digits; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || command->number > UINT64_MAX / 10 - 1) return fail(reader, "an id is a number", NULL);
        command->number = command->number * 10 + (uint64_t)(*digit - '0');
    }
    return *digits ? true : fail(reader, "an id is missing", NULL);
}

static bool read_mode(struct reader *reader, struct admin_command *command)
{
    step(reader);
    if (!reader->has_token) return true;
    if (is_word(reader, "WAIT_FOR_SERVERS"))
        command->mode = SHUTDOWN_WAIT_FOR_SERVERS;
    else if (is_word(reader, "WAIT_FOR_CLIENTS"))
        command->mode = SHUTDOWN_WAIT_FOR_CLIENTS;
    else
        return fail(reader, "SHUTDOWN takes WAIT_FOR_SERVERS, WAIT_FOR_CLIENTS or nothing", NULL);
    step(reader);
    return reader->has_token ? fail(reader, "something follows SHUTDOWN", NULL) : true;
}

static bool read_argument(struct reader *reader, struct admin_command *command, enum argument argument)
{
    switch (argument) {
    case ARGUMENT_NONE: step(reader); return reader->has_token ? fail(reader, "the command takes no argument", NULL) : true;
    case ARGUMENT_DATABASE:
    case ARGUMENT_DATABASE_OR_NOT:
        step(reader);
        if (reader->has_token) return read_rest(reader, false, command->argument, sizeof command->argument);
        return argument == ARGUMENT_DATABASE ? fail(reader, "the command needs the name of a database", NULL) : true;
    case ARGUMENT_NUMBER: return read_number(reader, command);
    case ARGUMENT_SHUTDOWN: return read_mode(reader, command);
    case ARGUMENT_SETTING: return read_setting(reader, command);
    case ARGUMENT_IGNORED:
        while (reader->has_token) step(reader);
        return true;
    }
    return true;
}

static bool read_statement(struct reader *reader, struct admin_command *command)
{
    if (!reader->has_token) return true; /* VERB_NOTHING */
    if (is_word(reader, "SHOW")) return read_show(reader, command, false);
    if (is_word(reader, "SELECT")) return read_show(reader, command, true);
    for (unsigned i = 0; i < VERBS; i++) {
        if (!is_word(reader, verbs[i].word)) continue;
        command->verb = verbs[i].verb;
        return read_argument(reader, command, verbs[i].argument);
    }
    return fail(reader, "this is the console of pgturnstile, which has no SQL and no such command",
                "SHOW HELP lists what there is. To reach PostgreSQL, connect to another database.");
}

enum codec_result admin_parse(const char *text, size_t size, struct admin_command *command_out, size_t *used_out, const char **why_out,
                              const char **hint_out)
{
    struct reader reader = {.text = text};
    *command_out = (struct admin_command){.verb = VERB_NOTHING};
    sql_lex_init(&reader.lex, text, size, SQL_STRINGS_STANDARD);
    step(&reader);
    bool is_ok = read_statement(&reader, command_out);
    while (reader.has_token) step(&reader); /* to the end of a statement that is wrong */
    *used_out = reader.used;
    *why_out = reader.why;
    *hint_out = reader.hint;
    return is_ok ? CODEC_OK : CODEC_BAD;
}

enum console_role admin_command_role(const struct admin_command *command)
{
    if (command->verb == VERB_SHOW) return admin_show_of(command->show)->role;
    for (unsigned i = 0; i < VERBS; i++)
        if (verbs[i].verb == command->verb) return verbs[i].role;
    return CONSOLE_STATS;
}

const char *admin_command_tag(const struct admin_command *command)
{
    if (command->verb == VERB_SET_FAKE) return "SET";
    if (command->verb == VERB_START) return "BEGIN";
    if (command->verb == VERB_END) return "COMMIT";
    for (unsigned i = 0; i < VERBS; i++)
        if (verbs[i].verb == command->verb) return verbs[i].word;
    return "SHOW";
}

const char *admin_help_line(unsigned i)
{
    if (i < SHOW_COUNT) return admin_show_of((enum show_id)i)->name;
    i -= SHOW_COUNT;
    for (unsigned verb = 0; verb < VERBS; verb++) {
        if (!*verbs[verb].written) continue;
        if (i-- == 0) return verbs[verb].written;
    }
    return NULL;
}
