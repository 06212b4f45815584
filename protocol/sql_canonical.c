/*
 * Canonical tokens as text: the spaces between them, and the room for them. Written so that sql_lex cuts the text into the same tokens again.
 *
 * Invariants: what is written is always whole tokens, ends in a NUL and stays inside `out`; once a token did not fit, none is written any more.
 */
#include "protocol/sql_canonical.h"

#include <stdio.h>

void sql_canonical_init(struct sql_canonical *canonical, char *out, size_t out_size)
{
    *canonical = (struct sql_canonical){.hash = UINT64_C(0x13198a2e03707344), .out = out, .out_size = out_size};
    if (out != NULL) out[0] = '\0';
}

/* What PostgreSQL users write: "count(*)", "any ($1)", "t.a::text[]", "x[1]". */
static bool has_space(enum sql_canonical_kind last, enum sql_canonical_kind next)
{
    if (last == CANONICAL_START || last == CANONICAL_OPEN || last == CANONICAL_BRACKET || last == CANONICAL_CAST) return false;
    if (last == CANONICAL_DOT) return next == CANONICAL_DOT;
    switch (next) {
    case CANONICAL_CLOSE:
    case CANONICAL_COMMA: return false;
    case CANONICAL_DOT:
    case CANONICAL_CAST: return last == CANONICAL_OPERATOR;
    case CANONICAL_OPEN: return last != CANONICAL_NAME;
    case CANONICAL_BRACKET:
    case CANONICAL_ARRAY: return last != CANONICAL_NAME && last != CANONICAL_CLOSE && last != CANONICAL_PLACEHOLDER;
    case CANONICAL_START:
    case CANONICAL_NAME:
    case CANONICAL_KEYWORD:
    case CANONICAL_PLACEHOLDER:
    case CANONICAL_OPERATOR:
    case CANONICAL_ROWS: return true;
    }
    return true;
}

/* Room for a token of this size behind its space; NULL: there is none. */
static char *reserve(struct sql_canonical *canonical, enum sql_canonical_kind kind, size_t size)
{
    size_t space = has_space((enum sql_canonical_kind)canonical->last, kind);
    if (canonical->is_full || size + space > canonical->out_size - 1 - canonical->size) {
        canonical->is_full = true;
        return NULL;
    }
    char *at = canonical->out + canonical->size;
    if (space) *at++ = ' ';
    at[size] = '\0';
    canonical->size += space + size;
    return at;
}

void sql_canonical_write(struct sql_canonical *canonical, enum sql_canonical_kind kind, const char *text, size_t size)
{
    char *at = reserve(canonical, kind, size);
    if (at != NULL) memcpy(at, text, size);
}

void sql_canonical_write_folded(struct sql_canonical *canonical, enum sql_canonical_kind kind, const char *text, size_t size)
{
    char *at = reserve(canonical, kind, size);
    if (at == NULL) return;
    for (size_t i = 0; i < size; i++) at[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
}

void sql_canonical_write_placeholder(struct sql_canonical *canonical)
{
    char text[16];
    int size = snprintf(text, sizeof text, "$%u", (unsigned)canonical->slot_count);
    sql_canonical_write(canonical, CANONICAL_PLACEHOLDER, text, (size_t)size);
}

static inline uint64_t mix_eight(uint64_t hash, const char *at)
{
    return sql_mix(hash, sql_load_chunk(at, 8, at + 8), SQL_SALT_TOKEN);
}

uint64_t sql_mix_run(uint64_t hash, const char *text, size_t size)
{
    const char *end = text + size;
    uint64_t a = hash;
    uint64_t b = hash + SQL_SALT_WORD;
    uint64_t c = hash + 3 * SQL_SALT_WORD;
    uint64_t d = hash + 5 * SQL_SALT_WORD;
    for (; end - text >= 32; text += 32) {
        a = mix_eight(a, text);
        b = mix_eight(b, text + 8);
        c = mix_eight(c, text + 16);
        d = mix_eight(d, text + 24);
    }
    hash = sql_mix(hash, size, SQL_SALT_WORD);
    hash = sql_mix(sql_mix(hash, a, SQL_SALT_TOKEN), b, SQL_SALT_TOKEN);
    hash = sql_mix(sql_mix(hash, c, SQL_SALT_TOKEN), d, SQL_SALT_TOKEN);
    return sql_mix_bytes(hash, text, (size_t)(end - text), end);
}

/* So that each bit of the hash depends on each bit of what went in last. Never 0. */
uint64_t sql_canonical_finish(const struct sql_canonical *canonical)
{
    uint64_t hash = sql_mix(canonical->hash, 0, SQL_SALT_WORD);
    hash = sql_mix(hash, SQL_SALT_TOKEN, SQL_SALT_WORD);
    return hash != 0 ? hash : 1;
}
