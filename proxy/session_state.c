/*
 * Maps of session settings, each different one stored once. Not for: finding out what is set, or which settings may travel.
 *
 * Invariants: the pairs of a map are sorted by name; its text is the sorted pairs one after the other, each string with its NUL, and is the key
 * in the table; a map is in the table exactly while it has references.
 */
#include "proxy/session_state.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "proxy/memory.h"

struct pair {
    const char *name, *value; /* within the map's text */
};

struct session_state {
    bool has_note;
    uint64_t note;
    struct session_states *table;
    UT_hash_handle hh;
    uint32_t references;
    uint32_t count;
    size_t text_size;
    struct pair pairs[]; /* the text follows them */
};

struct session_states {
    struct session_state *by_text;
};

struct session_states *session_states_new(void)
{
    return memory_zalloc(sizeof(struct session_states));
}

void session_states_free(struct session_states **states)
{
    if (*states == NULL) return;
    assert((*states)->by_text == NULL);
    free(*states);
    *states = NULL;
}

size_t session_states_count(const struct session_states *states)
{
    return HASH_COUNT(states->by_text);
}

/* ---- interning ---- */

static char *text_of(struct session_state *state)
{
    return (char *)&state->pairs[state->count];
}

/* The one map with these pairs, which are sorted: found, or made. */
static struct session_state *intern(struct session_states *table, const struct pair *pairs, uint32_t count)
{
    size_t text_size = 0;
    for (uint32_t i = 0; i < count; i++) text_size += strlen(pairs[i].name) + strlen(pairs[i].value) + 2;
    struct session_state *state = memory_zalloc(sizeof *state + count * sizeof state->pairs[0] + text_size);
    state->table = table;
    state->count = count;
    state->text_size = text_size;
    char *end = text_of(state);
    for (uint32_t i = 0; i < count; i++) {
        state->pairs[i].name = end;
        end = stpcpy(end, pairs[i].name) + 1;
        state->pairs[i].value = end;
        end = stpcpy(end, pairs[i].value) + 1;
    }
    struct session_state *known;
    HASH_FIND(hh, table->by_text, text_of(state), text_size, known);
    if (known) {
        free(state);
        return session_state_ref(known);
    }
    state->references = 1;
    HASH_ADD_KEYPTR(hh, table->by_text, text_of(state), text_size, state);
    return state;
}

struct session_state *session_state_empty(struct session_states *states)
{
    return intern(states, NULL, 0);
}

struct session_state *session_state_ref(struct session_state *state)
{
    assert(state->references > 0 && state->references < UINT32_MAX);
    state->references++;
    return state;
}

void session_state_unref(struct session_state **state)
{
    struct session_state *mine = *state;
    *state = NULL;
    if (mine == NULL) return;
    assert(mine->references > 0);
    if (--mine->references > 0) return;
    HASH_DELETE(hh, mine->table->by_text, mine);
    free(mine);
}

/* ---- reading and changing ---- */

/* As PostgreSQL's guc_name_compare: only ASCII letters have a case. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int compare_names(const char *a, const char *b)
{
    while (*a && lower(*a) == lower(*b)) a++, b++;
    return (unsigned char)lower(*a) - (unsigned char)lower(*b);
}

/* Where `name` stands in the order, and whether it is there. */
static uint32_t position_of(const struct session_state *state, const char *name, bool *is_there_out)
{
    uint32_t i = 0;
    int order = 1;
    while (i < state->count && (order = compare_names(state->pairs[i].name, name)) < 0) i++;
    *is_there_out = i < state->count && order == 0;
    return i;
}

struct session_state *session_state_with(struct session_state *state, const char *name, const char *value)
{
    bool is_there;
    uint32_t at = position_of(state, name, &is_there);
    if (value == NULL && !is_there) return state;
    if (value != NULL && is_there && strcmp(state->pairs[at].value, value) == 0) return state;

    char *lower_name = memory_strdup(name);
    for (char *c = lower_name; *c; c++) *c = lower(*c);
    struct pair *pairs = memory_alloc((state->count + 1) * sizeof *pairs);
    uint32_t count = 0;
    for (uint32_t i = 0; i < at; i++) pairs[count++] = state->pairs[i];
    if (value != NULL) pairs[count++] = (struct pair){lower_name, value};
    for (uint32_t i = at + is_there; i < state->count; i++) pairs[count++] = state->pairs[i];
    struct session_state *changed = intern(state->table, pairs, count);
    free(pairs);
    free(lower_name);
    session_state_unref(&state);
    return changed;
}

const char *session_state_get(const struct session_state *state, const char *name)
{
    bool is_there;
    uint32_t at = position_of(state, name, &is_there);
    return is_there ? state->pairs[at].value : NULL;
}

size_t session_state_size(const struct session_state *state)
{
    return state->count;
}

void session_state_pair(const struct session_state *state, size_t i, const char **name_out, const char **value_out)
{
    assert(i < state->count);
    *name_out = state->pairs[i].name;
    *value_out = state->pairs[i].value;
}

/* ---- the difference as SQL ---- */

static const char encoding_name[] = "client_encoding";

struct sql {
    char *out; /* NULL: only count */
    size_t size;
    const char *encoding;       /* an expression: the name of the encoding that `to`'s values are in */
    const char *encoding_value; /* or that name itself, when it is known */
};

static void put_block(struct sql *sql, const char *block, size_t size)
{
    if (sql->out) memcpy(sql->out + sql->size, block, size);
    sql->size += size;
}

static void put(struct sql *sql, const char *text)
{
    put_block(sql, text, strlen(text));
}

static void put_escaped(struct sql *sql, const char *text)
{
    put(sql, "E'");
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') put_block(sql, text, 1);
        put_block(sql, text, 1);
    }
    put(sql, "'");
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80) return false;
    return true;
}

/*
 * The SQL is plain ASCII whatever the values are. The server would read other bytes in the client_encoding that is still in force, not in the one
 * that they were written in; and in SJIS, BIG5, GBK and a few more the second byte of a character may be a backslash, which no quoting
 * that works on bytes survives.
 */
static void put_literal(struct sql *sql, const char *text)
{
    if (is_ascii(text)) {
        put_escaped(sql, text);
        return;
    }
    put(sql, "pg_catalog.convert_from(pg_catalog.decode('");
    for (; *text; text++) {
        put_block(sql, &"0123456789abcdef"[(unsigned char)*text >> 4], 1);
        put_block(sql, &"0123456789abcdef"[(unsigned char)*text & 15], 1);
    }
    put(sql, "','hex'),");
    if (sql->encoding_value)
        put_escaped(sql, sql->encoding_value);
    else
        put(sql, sql->encoding);
    put(sql, ")");
}

/* set_config with NULL is RESET, and takes names that RESET's identifier syntax would cut at 63 bytes. */
static void put_setting(struct sql *sql, const char *name, const char *value)
{
    put(sql, sql->size == 0 ? "SELECT " : ",");
    put(sql, "pg_catalog.set_config(");
    put_literal(sql, name);
    put(sql, ",");
    if (value)
        put_literal(sql, value);
    else
        put(sql, "NULL");
    put(sql, ",false)");
}

/* Who the session acts as, the outer one first. Other settings are made as the user who logged in, who may have rights that these have not. */
static const char *const identities[] = {"session_authorization", "role"};
enum { IDENTITIES = sizeof identities / sizeof identities[0] };

static bool is_identity(const char *name)
{
    for (int i = 0; i < IDENTITIES; i++)
        if (strcmp(name, identities[i]) == 0) return true;
    return false;
}

bool session_state_acts_otherwise(const struct session_state *a, const struct session_state *b)
{
    for (int i = 0; a != b && i < IDENTITIES; i++) {
        const char *in_a = session_state_get(a, identities[i]), *in_b = session_state_get(b, identities[i]);
        if (in_a != in_b && (!in_a || !in_b || strcmp(in_a, in_b) != 0)) return true;
    }
    return false;
}

static void put_settings(struct sql *sql, const struct session_state *from, const struct session_state *to);

static void put_difference(struct sql *sql, const struct session_state *from, const struct session_state *to)
{
    for (int i = IDENTITIES - 1; i >= 0; i--)
        if (session_state_get(from, identities[i])) put_setting(sql, identities[i], NULL);
    put_settings(sql, from, to);
    for (int i = 0; i < IDENTITIES; i++) {
        const char *value = session_state_get(to, identities[i]);
        if (value) put_setting(sql, identities[i], value);
    }
}

static void put_settings(struct sql *sql, const struct session_state *from, const struct session_state *to)
{
    bool sets_encoding = false;
    const char *encoding = NULL;
    for (uint32_t i = 0, j = 0; i < from->count || j < to->count;) {
        int order = i == from->count ? 1 : j == to->count ? -1 : strcmp(from->pairs[i].name, to->pairs[j].name);
        const char *name = order <= 0 ? from->pairs[i].name : to->pairs[j].name;
        const char *value = order >= 0 ? to->pairs[j].value : NULL;
        bool is_same = order == 0 && strcmp(from->pairs[i].value, value) == 0;
        if (order <= 0) i++;
        if (order >= 0) j++;
        if (is_same || is_identity(name)) continue;
        if (strcmp(name, encoding_name) == 0) {
            sets_encoding = true;
            encoding = value;
            continue;
        }
        put_setting(sql, name, value);
    }
    if (sets_encoding) put_setting(sql, encoding_name, encoding);
}

size_t session_state_difference(const struct session_state *from, const struct session_state *to, char *sql_out, size_t capacity)
{
    struct sql sql = {.encoding_value = session_state_get(to, encoding_name)};
    /* Without one in `to` the values are in the encoding that the connection had at its login. */
    if (session_state_get(from, encoding_name) == NULL)
        sql.encoding = "pg_catalog.pg_client_encoding()";
    else
        sql.encoding = "(SELECT reset_val FROM pg_catalog.pg_settings WHERE name='client_encoding')";
    if (from != to) put_difference(&sql, from, to);
    size_t size = sql.size;
    if (size >= capacity) return size;
    sql.out = sql_out;
    sql.size = 0;
    if (from != to) put_difference(&sql, from, to);
    assert(sql.size == size);
    sql_out[size] = '\0';
    return size;
}

bool session_state_note(const struct session_state *state, uint64_t *note_out)
{
    if (state->has_note) *note_out = state->note;
    return state->has_note;
}

void session_state_set_note(struct session_state *state, uint64_t note)
{
    state->note = note;
    state->has_note = true;
}
