/*
 * A look at the bytes of a statement, sixteen at a time, that spares nearly all statements the tokenizer. It knows nothing of SQL.
 *
 * Invariant: each name in sql_words.def holds one of the pieces here (a test asserts it).
 */
#include "protocol/sql_suspects.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK_SIZE = 16, PIECE_SIZE_MAX = 4, WINDOW_SIZE = BLOCK_SIZE + PIECE_SIZE_MAX - 1 };

/* A vector type of gcc and clang: a comparison gives 0xff where it holds. */
typedef uint8_t block __attribute__((vector_size(BLOCK_SIZE)));

/* The bytes at `text`, letters in lower case. Of other bytes '_' becomes 0x7f; ';' and '&' stay. */
static inline block load_folded(const char *text)
{
    block bytes;
    memcpy(&bytes, text, sizeof bytes);
    return bytes | 0x20;
}

static inline block is(block bytes, char byte)
{
    return (block)(bytes == (uint8_t)(byte | 0x20));
}

static inline bool is_any(block hits)
{
    uint64_t halves[2];
    memcpy(halves, &hits, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

/* How the names of sql_words.def that begin with pg_ go on. Catalogs and their functions, which the queries of ORMs are full of, go on otherwise. */
static bool is_suspect_pg(const char *text, size_t size)
{
    static const char *const pieces[] = {"ad", "ba", "cop", "cr", "rep", "set", "star", "te", "try"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        size_t at = 0;
        while (at < size && pieces[i][at] && (text[at] | 0x20) == pieces[i][at]) at++;
        if (!pieces[i][at]) return true;
    }
    return false;
}

/* A "pg_" begins at one of the sixteen bytes at `at`. */
static bool has_suspect_pg(const char *text, size_t size, size_t at)
{
    for (size_t end = at + BLOCK_SIZE; at < end && at + 3 < size; at++) {
        if ((text[at] | 0x20) == 'p' && (text[at + 1] | 0x20) == 'g' && text[at + 2] == '_' && is_suspect_pg(text + at + 3, size - at - 3))
            return true;
    }
    return false;
}

enum finding { NOTHING_FOUND, PG_FOUND, PIECE_FOUND };

/* Whether a piece, or "pg_", begins at one of the sixteen bytes at `window`, of which WINDOW_SIZE are read. */
static inline enum finding look(const char *window)
{
    block a = load_folded(window);
    block b = load_folded(window + 1);
    block c = load_folded(window + 2);
    block d = load_folded(window + 3);

    block hits = is(a, ';') | is(a, '&');
    hits |= is(a, 'i') & is(b, 'n') & is(c, 't') & is(d, 'o');
    hits |= is(a, 's') & is(b, 'e') & is(c, 't') & (is(d, '_') | is(d, 's')); /* set_config, setseed */
    hits |= is(a, 't') & is(c, '_') & is(b, 'o') & is(d, 'x');                /* query_to_xml */
    hits |= is(a, 't') & is(c, '_') & is(b, 's') & (is(d, 's') | is(d, 'r')); /* ts_stat, ts_rewrite */
    hits |= is(a, 'd') & is(b, 'b') & is(c, 'l') & is(d, 'i');                /* dblink */

    block pg = is(a, 'p') & is(b, 'g') & is(c, '_');

    if (!is_any(hits | pg)) return NOTHING_FOUND;
    return is_any(hits) ? PIECE_FOUND : PG_FOUND;
}

static inline bool is_suspect_window(const char *text, size_t size, size_t at)
{
    enum finding finding = look(text + at);
    return finding == PIECE_FOUND || (finding == PG_FOUND && has_suspect_pg(text, size, at));
}

/* A text that is shorter than a window: zeroes behind it match nothing. */
static bool are_in_short(const char *text, size_t size)
{
    char padded[2 * BLOCK_SIZE + PIECE_SIZE_MAX] = {0};
    memcpy(padded, text, size);
    return is_suspect_window(padded, size, 0) || (size > BLOCK_SIZE && is_suspect_window(padded, size, BLOCK_SIZE));
}

bool sql_suspects_are_in(const char *text, size_t size)
{
    if (size < WINDOW_SIZE) return size > 0 && are_in_short(text, size);
    size_t last = size - WINDOW_SIZE;
    for (size_t at = 0; at < last; at += BLOCK_SIZE)
        if (is_suspect_window(text, size, at)) return true;
    /* Behind the blocks only the shortest pieces have room. */
    for (size_t at = size - PIECE_SIZE_MAX + 1; at < size; at++)
        if (text[at] == ';' || text[at] == '&') return true;
    return is_suspect_window(text, size, last);
}
