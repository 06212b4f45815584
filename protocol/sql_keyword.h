#ifndef PROTOCOL_SQL_KEYWORD_H
#define PROTOCOL_SQL_KEYWORD_H

#include "protocol/sql_class.h"

#include <stdbool.h>
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
    static const uint64_t masks[9] = {0,
                                      UINT64_C(0xff),
                                      UINT64_C(0xffff),
                                      UINT64_C(0xffffff),
                                      UINT64_C(0xffffffff),
                                      UINT64_C(0xffffffffff),
                                      UINT64_C(0xffffffffffff),
                                      UINT64_C(0xffffffffffffff),
                                      UINT64_MAX};
    uint64_t chunk = 0;
    if (size > 8) size = 8;
    if (__builtin_expect(end - at >= 8, 1)) {
        memcpy(&chunk, at, 8);
    } else {
        memcpy(&chunk, at, size);
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    chunk = __builtin_bswap64(chunk);
#endif
    return chunk & masks[size];
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

/*
 * Whether the first `size` bytes of a chunk (at most eight count, the others are zero) are all among a-z, 0-9, '_' and '$': an identifier of such bytes
 * means the same with quotes and without.
 */
static inline bool sql_is_plain_chunk(uint64_t chunk, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high = 0x80 * ones;
    uint64_t letters = (chunk + (0x80 - 'a') * ones) & ~(chunk + (0x7f - 'z') * ones);
    uint64_t digits = (chunk + (0x80 - '0') * ones) & ~(chunk + (0x7f - '9') * ones);
    uint64_t others = (high - (chunk ^ '_' * ones)) | (high - (chunk ^ '$' * ones));
    uint64_t wanted = size < 8 ? high & ((UINT64_C(1) << 8 * size) - 1) : high;
    return (chunk & high) == 0 && ((letters | digits | others) & wanted) == wanted;
}

/* Which keyword begins in the slot, if any: see sql_keyword.c. */
enum { SQL_KEYWORD_SLOT_COUNT = 2048 };
extern const uint8_t sql_keyword_slots[SQL_KEYWORD_SLOT_COUNT];

/* Tried out until no two words had one slot. Of letters, the bits that both cases share. */
#define SQL_KEYWORD_SLOT(first, middle, before_last, last, size)                                                         \
    ((((first) | 0x20u) * 935u + ((middle) | 0x20u) * 1088u + ((before_last) | 0x20u) * 280u + ((last) | 0x20u) * 570u + \
      (unsigned)(size)*494u) %                                                                                           \
     SQL_KEYWORD_SLOT_COUNT)

/* Eight bytes of the entry's text, which has zeroes behind it as the chunks have. */
static inline bool sql_keyword_has_chunk(const struct sql_keyword_entry *entry, size_t at, uint64_t chunk)
{
    return sql_load_chunk(entry->text + at, 8, entry->text + SQL_FOLDED_SIZE_MAX) == chunk;
}

/* The keyword that a text is, in any case; `chunks` are its first bytes, folded. */
static inline enum sql_keyword sql_keyword_of(const char *text, size_t size, const uint64_t chunks[3])
{
    if (size < 2 || size > SQL_KEYWORD_SIZE_MAX) return KW_IDENTIFIER;
    uint8_t keyword = sql_keyword_slots[SQL_KEYWORD_SLOT((uint8_t)text[0], (uint8_t)text[size / 2], (uint8_t)text[size - 2],
                                                         (uint8_t)text[size - 1], size)];
    const struct sql_keyword_entry *entry = &sql_keywords[keyword];
    if (entry->size != size || !sql_keyword_has_chunk(entry, 0, chunks[0])) return KW_IDENTIFIER;
    if (size > 8 && (!sql_keyword_has_chunk(entry, 8, chunks[1]) || !sql_keyword_has_chunk(entry, 16, chunks[2]))) return KW_IDENTIFIER;
    return (enum sql_keyword)keyword;
}

#endif
