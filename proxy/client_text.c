/* How a client's SQL is to be read. Worked out once for each map of settings. */
#include "proxy/client_text.h"

#include <string.h>

#include "proxy/statement_effects.h"

/*
 * How a client's texts are to be read: by its own settings, not by what its server reports, which may still be what a former client set. Worked out once for
 * each map of settings, and kept with it as its note: the four lowest bits are flags, the others the context.
 */
enum { NOTE_HAS_ENCODING = 1, NOTE_IS_SCANNABLE = 2, NOTE_HAS_STRINGS = 4, NOTE_HAS_BACKSLASHES = 8, NOTE_FLAGS = 15 };

/* What PostgreSQL reads from the session while it parses; a statement that was parsed under other values is another statement. */
static uint64_t hash_parse_settings(const struct client *client)
{
    static const char *const names[] = {"array_nulls",
                                        "backslash_quote",
                                        "client_encoding",
                                        "datestyle",
                                        "default_text_search_config",
                                        "intervalstyle",
                                        "lc_monetary",
                                        "lc_numeric",
                                        "role",
                                        "search_path",
                                        "session_authorization",
                                        "standard_conforming_strings",
                                        "timezone",
                                        "timezone_abbreviations",
                                        "transform_null_equals",
                                        "xmloption"};
    uint64_t context = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = session_state_get(client->settings, names[i]);
        if (!value) continue;
        uint64_t hash = statements_hash(client->host->commons->statements, value, strlen(value));
        context = (context ^ hash) * UINT64_C(0x9e3779b97f4a7c15) + i + 1;
    }
    return context;
}

static uint64_t make_note(const struct client *client)
{
    uint64_t note = hash_parse_settings(client) & ~(uint64_t)NOTE_FLAGS;
    const char *encoding = session_state_get(client->settings, "client_encoding");
    const char *strings = session_state_get(client->settings, "standard_conforming_strings");
    if (encoding) note |= NOTE_HAS_ENCODING | (sql_lex_can_read(encoding) ? NOTE_IS_SCANNABLE : 0u);
    if (strings) note |= NOTE_HAS_STRINGS | (strcmp(strings, "off") == 0 ? NOTE_HAS_BACKSLASHES : 0u);
    session_state_set_note(client->settings, note);
    return note;
}

static uint64_t note_of(const struct client *client)
{
    uint64_t note;
    return session_state_note(client->settings, &note) ? note : make_note(client);
}

bool client_text_is_scannable(const struct client *client)
{
    uint64_t note = note_of(client);
    return note & NOTE_HAS_ENCODING ? (note & NOTE_IS_SCANNABLE) != 0 : client->pool->is_scannable;
}

enum sql_strings client_text_strings(const struct client *client)
{
    uint64_t note = note_of(client);
    bool has_backslashes = note & NOTE_HAS_STRINGS ? (note & NOTE_HAS_BACKSLASHES) != 0 : client->pool->has_backslashes;
    return has_backslashes ? SQL_STRINGS_BACKSLASH : SQL_STRINGS_STANDARD;
}

uint64_t client_text_context(const struct client *client)
{
    uint64_t context = (note_of(client) & ~(uint64_t)NOTE_FLAGS) ^ client->pool->parameters_hash;
    /* While it is being changed, what is in force is not known: a statement that is parsed now is nobody else's. */
    bool is_changing = (client->touched & EFFECTS_ON_SETTINGS) || (client->server && client->server->inquiry);
    return is_changing ? context ^ client->id * UINT64_C(0x9e3779b97f4a7c15) : context;
}
