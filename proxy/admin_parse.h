#ifndef PROXY_ADMIN_PARSE_H
#define PROXY_ADMIN_PARSE_H

#include "protocol/bytes.h"
#include "proxy/admin_shows.h"

/* The console's language: one statement at a time, to what it asks for. Who may ask is not looked at, nor whether a database exists. */
enum admin_verb {
    VERB_NOTHING, /* an empty statement */
    VERB_SHOW,
    VERB_SHOW_HELP,
    VERB_SHOW_FAKE, /* `argument` is the setting, `value` what is said of it; SELECT 1 too */
    VERB_SET_FAKE,
#define X(verb, word, argument, role, written, text) verb,
#include "proxy/admin_verbs.def"
#undef X
    VERB_COUNT
};

enum shutdown_mode { SHUTDOWN_AT_ONCE, SHUTDOWN_WAIT_FOR_SERVERS, SHUTDOWN_WAIT_FOR_CLIENTS };
enum { ADMIN_NAME_MAX = 255, ADMIN_VALUE_MAX = 1023 };

struct admin_command {
    enum admin_verb verb;
    enum show_id show;
    enum shutdown_mode mode;
    uint64_t number;
    char argument[ADMIN_NAME_MAX + 1]; /* a database or a setting; "": none was named */
    char value[ADMIN_VALUE_MAX + 1];
};

/*
 * The first statement of `text`; `*used_out` bytes belong to it, its semicolon included. OK, or BAD with a sentence and, if there is one, a hint, both
 * static. MORE is never answered. Every call uses at least a byte as long as there is one.
 */
enum codec_result admin_parse(const char *text, size_t size, struct admin_command *command_out, size_t *used_out, const char **why_out,
                              const char **hint_out);

/* The least role that may give the command. */
enum console_role admin_command_role(const struct admin_command *command);
/* CommandComplete's tag: "PAUSE", "SHOW". */
const char *admin_command_tag(const struct admin_command *command);
/* What SHOW HELP says, one line each; NULL at the end. */
const char *admin_help_line(unsigned i);

#endif
