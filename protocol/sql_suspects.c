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

/* Whether a piece begins at one of the sixteen bytes at `window`, of which WINDOW_SIZE are read. */
static inline bool has_piece(const char *window)
{
    block a = load_folded(window);
    block b = load_folded(window + 1);
    block c = load_folded(window + 2);
    block d = load_folded(window + 3);

    block hits = is(a, ';') | is(a, '&');
    hits |= is(a, 'i') & is(b, 'n') & is(c, 't') & is(d, 'o');
    hits |= is(a, 'p') & is(b, 'g') & is(c, '_');
    hits |= is(a, 's') & is(b, 'e') & is(c, 't') & (is(d, '_') | is(d, 's')); /* set_config, setseed */
    hits |= is(a, 't') & is(c, '_') & is(b, 'o') & is(d, 'x');                /* query_to_xml */
    hits |= is(a, 't') & is(c, '_') & is(b, 's') & (is(d, 's') | is(d, 'r')); /* ts_stat, ts_rewrite */
    hits |= is(a, 'd') & is(b, 'b') & is(c, 'l') & is(d, 'i');                /* dblink */

    uint64_t halves[2];
    memcpy(halves, &hits, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

bool sql_suspects_are_in(const char *text, size_t size)
{
    size_t at = 0;
    for (; size - at >= WINDOW_SIZE; at += BLOCK_SIZE) {
        if (has_piece(text + at)) return true;
    }
    /* What is left is shorter than a window: zeroes behind it match nothing. */
    char rest[2 * BLOCK_SIZE + PIECE_SIZE_MAX] = {0};
    if (size > at) memcpy(rest, text + at, size - at);
    return has_piece(rest) || has_piece(rest + BLOCK_SIZE);
}
