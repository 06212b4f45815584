#ifndef PROTOCOL_SQL_KEYWORD_H
#define PROTOCOL_SQL_KEYWORD_H

#include "protocol/sql_class.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Words of SQL in lower case, eight bytes at a time, and which of them are keywords. See sql_keywords.def for what the flags mean. */

enum sql_keyword {
    KW_IDENTIFIER,
#define X(name, text, first, middle, before_last, last, flags, class) name,
#include "protocol/sql_keywords.def"
#undef X
    KW_COUNT
};

enum { SQL_KEYWORD_OPERAND = 1, SQL_KEYWORD_SPACE = 2, SQL_KEYWORD_TYPE = 4, SQL_KEYWORD_CLAUSE = 8 };
enum { SQL_KEYWORD_SIZE_MAX = 17, SQL_FOLDED_SIZE_MAX = 24 };

struct sql_keyword_entry {
    char text[SQL_FOLDED_SIZE_MAX]; /* zeroes behind it */
    uint8_t size;
    uint8_t flags;
    uint8_t class; /* enum sql_class */
};
extern const struct sql_keyword_entry sql_keywords[KW_COUNT];

/* Up to eight bytes at `at`, the first of them lowest, zeroes for what is not there. `end` is where the readable memory ends. */
static inline uint64_t sql_load_chunk(const char *at, size_t size, const char *end)
{
    uint64_t chunk = 0;
    if (end - at >= 8) {
        memcpy(&chunk, at, 8);
    } else {
        memcpy(&chunk, at, size < 8 ? size : 8);
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    chunk = __builtin_bswap64(chunk);
#endif
    return size < 8 ? chunk & ((UINT64_C(1) << 8 * size) - 1) : chunk;
}

/* ASCII capitals to small letters, in all eight bytes. */
static inline uint64_t sql_fold_chunk(uint64_t chunk)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = chunk & 0x7f * ones;
    uint64_t above_z = low + (0x7f - 'Z') * ones;
    uint64_t from_a = low + (0x80 - 'A') * ones;
    uint64_t is_capital = (from_a ^ above_z) & ~chunk & 0x80 * ones;
    return chunk | is_capital >> 2;
}

/* The keyword of these bytes in any case; `chunks` are the bytes folded, of which only the first SQL_KEYWORD_SIZE_MAX matter. */
enum sql_keyword sql_keyword_of(const uint64_t chunks[3], size_t size);

#endif
