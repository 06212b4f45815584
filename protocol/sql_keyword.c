/* The table of keywords, and the look into it. What they mean is known to sql_fingerprint. */
#include "protocol/sql_keyword.h"

#define OPERAND SQL_KEYWORD_OPERAND
#define SPACE   SQL_KEYWORD_SPACE
#define TYPE    SQL_KEYWORD_TYPE
#define CLAUSE  SQL_KEYWORD_CLAUSE
const struct sql_keyword_entry sql_keywords[KW_COUNT] = {
#define X(name, text, first, middle, before_last, last, flags, class) [name] = {text, sizeof text - 1, flags, class},
#include "protocol/sql_keywords.def"
#undef X
};

/* Tried out until no two words had one slot. */
#define SLOT(first, middle, before_last, last, size) \
    (((first)*626u + (middle)*2022u + (before_last)*57u + (last)*585u + (size)*1037u) % SLOT_COUNT)
enum { SLOT_COUNT = 2048 };

static const uint8_t slots[SLOT_COUNT] = {
#define X(name, text, first, middle, before_last, last, flags, class) [SLOT(first, middle, before_last, last, sizeof text - 1)] = name,
#include "protocol/sql_keywords.def"
#undef X
};

static inline unsigned byte_of(const uint64_t chunks[3], size_t at)
{
    return (unsigned)(chunks[at / 8] >> at % 8 * 8 & 0xff);
}

enum sql_keyword sql_keyword_of(const uint64_t chunks[3], size_t size)
{
    if (size < 2 || size > SQL_KEYWORD_SIZE_MAX) return KW_IDENTIFIER;
    uint8_t keyword =
        slots[SLOT(byte_of(chunks, 0), byte_of(chunks, size / 2), byte_of(chunks, size - 2), byte_of(chunks, size - 1), size)];
    const struct sql_keyword_entry *entry = &sql_keywords[keyword];
    const char *end = entry->text + sizeof entry->text;
    if (entry->size != size) return KW_IDENTIFIER;
    for (size_t at = 0; at < size; at += 8) {
        if (sql_load_chunk(entry->text + at, 8, end) != chunks[at / 8]) return KW_IDENTIFIER;
    }
    return (enum sql_keyword)keyword;
}
