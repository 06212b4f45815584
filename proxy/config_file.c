/*
 * The reader of the INI file. It knows lines, sections and names, not what they mean.
 *
 * inih walks the file, through ini_parse_stream, but as Debian builds it it cannot be shown the lines as they are: it splits those over 200
 * bytes, cuts sections at 49, ends a value at " ;", separates at ':' too, joins a line that begins with a blank to the one above, and
 * reports one wrong line at most. So the reader handed to it takes the line apart and keeps the texts, and inih gets a stand-in of the same
 * kind that it cannot misread: nothing for a blank, a comment or a wrong line, "[section]", or "name=value". When it calls back for that
 * line, the texts are the reader's.
 *
 * Invariant: inih calls the handler between two reads, so the texts of the last line read are those of the call.
 */
#include "proxy/config_file.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *path;
    const struct config_file_callbacks *callbacks;
    struct config_problems *problems;
    FILE *file;
    unsigned line;
    char *text; /* the line, changed in place while it is taken apart */
    size_t capacity;
    const char *name;
    const char *value;
    bool has_section;
};

enum kind { NOTHING, SECTION, ENTRY };

/* What inih is given for a line of each kind. */
static const char *const stand_ins[] = {[NOTHING] = "\n", [SECTION] = "[section]\n", [ENTRY] = "name=value\n"};

#define PROBLEM(reader, ...) config_problems_add((reader)->problems, CONFIG_ERROR, (reader)->path, (reader)->line, __VA_ARGS__)

static char *skip_blanks(char *text)
{
    while (isspace((unsigned char)*text)) text++;
    return text;
}

static void trim_end(char *text)
{
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1])) size--;
    text[size] = '\0';
}

/* `text` points at the opening quote. Undo the quoting in place; returns what follows the closing quote, or NULL when there is none. */
static char *unquote(char *text, const char **content_out)
{
    char *to = text;
    const char *content = text;
    for (char *from = text + 1; *from != '\0'; from++) {
        if (*from == '"' && from[1] != '"') {
            *to = '\0';
            *content_out = content;
            return from + 1;
        }
        if (*from == '"') from++;
        *to++ = *from;
    }
    return NULL;
}

/* A wrong line is not quoted in its problem: it may be half of a password. */
static enum kind take_entry(struct reader *reader, char *text)
{
    char *equals;
    if (*text == '"') {
        char *rest = unquote(text, &reader->name);
        if (rest == NULL) {
            PROBLEM(reader, "the double quote that opens the name is not closed");
            return NOTHING;
        }
        equals = skip_blanks(rest);
    } else {
        reader->name = text;
        equals = strchrnul(text, '=');
        char *blank = text + strcspn(text, " \t");
        if (*equals == '=' && skip_blanks(blank) < equals) {
            PROBLEM(reader, "a name with blanks before the = must stand in double quotes");
            return NOTHING;
        }
    }
    if (*equals != '=') {
        PROBLEM(reader, "neither [section] nor \"name = value\": %s",
                strchr(text, ':') ? "write = between name and value, not :" : "the = is missing");
        return NOTHING;
    }
    *equals = '\0';
    reader->value = skip_blanks(equals + 1);
    if (*text != '"') trim_end(text);
    if (*reader->name == '\0') {
        PROBLEM(reader, "the name before the = is missing");
        return NOTHING;
    }
    if (!reader->has_section) {
        PROBLEM(reader, "\"%s\" stands before the first section: begin the file with [pgturnstile]", reader->name);
        return NOTHING;
    }
    return ENTRY;
}

static enum kind take_section(struct reader *reader, char *text)
{
    char *name = skip_blanks(text + 1);
    char *end = name + strcspn(name, " \t]");
    char *rest = skip_blanks(end);
    const char *argument = NULL;
    bool is_bare_argument = false;
    if (*rest == '"') {
        rest = unquote(rest, &argument);
        rest = rest == NULL ? NULL : skip_blanks(rest);
    } else if (*rest != ']' && *rest != '\0') {
        argument = rest;
        rest += strcspn(rest, "]");
        is_bare_argument = true;
    }
    reader->has_section = true;
    if (rest == NULL || *rest != ']' || *skip_blanks(rest + 1) != '\0') {
        PROBLEM(reader, "a section is written [name], with nothing after the bracket");
        return NOTHING;
    }
    *rest = '\0';
    if (is_bare_argument) trim_end(end + 1);
    *end = '\0';
    reader->name = name;
    reader->value = argument;
    return SECTION;
}

static enum kind take_line(struct reader *reader, size_t size)
{
    if (size > CONFIG_LINE_SIZE_MAX) {
        PROBLEM(reader, "the line is longer than %d bytes", CONFIG_LINE_SIZE_MAX);
        return NOTHING;
    }
    if (memchr(reader->text, '\0', size) != NULL) {
        PROBLEM(reader, "the line holds a zero byte: this is no text file");
        return NOTHING;
    }
    char *text = reader->text;
    if (reader->line == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0) text += 3;
    text = skip_blanks(text);
    trim_end(text);
    if (*text == '\0' || *text == ';' || *text == '#') return NOTHING;
    if (*text == '[') return take_section(reader, text);
    if (*text == '%') {
        PROBLEM(reader, "%%include and other directives are not supported: put everything into this file");
        return NOTHING;
    }
    return take_entry(reader, text);
}

/* The reader of ini_parse_stream, with the contract of fgets(3). */
static char *read_line(char *line_out, int size, void *context)
{
    struct reader *reader = context;
    ssize_t read = getline(&reader->text, &reader->capacity, reader->file);
    if (read < 0) {
        reader->line++;
        if (ferror(reader->file)) PROBLEM(reader, "cannot read on: %s", strerror(errno));
        return NULL;
    }
    reader->line++;
    enum kind kind = take_line(reader, (size_t)read);
    /* inih does not call back for a section. */
    if (kind == SECTION) reader->callbacks->section(reader->callbacks->context, reader->name, reader->value, reader->line);
    assert(strlen(stand_ins[kind]) < (size_t)size);
    return strcpy(line_out, stand_ins[kind]);
}

static int on_entry(void *context, const char *section, const char *name, const char *value)
{
    const struct reader *reader = context;
    (void)section;
    (void)name;
    (void)value;
    reader->callbacks->entry(reader->callbacks->context, reader->name, reader->value, reader->line);
    return 1;
}

int config_file_read(const char *path, const struct config_file_callbacks *callbacks, struct config_problems *problems)
{
    struct reader reader = {.path = path, .callbacks = callbacks, .problems = problems, .file = fopen(path, "re")};
    if (reader.file == NULL) {
        PROBLEM(&reader, "cannot be opened: %s", strerror(errno));
        return -1;
    }
    int result = ini_parse_stream(read_line, &reader, on_entry, &reader);
    assert(result == 0);
    (void)result;
    fclose(reader.file);
    if (reader.text != NULL) explicit_bzero(reader.text, reader.capacity);
    free(reader.text);
    return 0;
}
