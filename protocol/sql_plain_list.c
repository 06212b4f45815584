/*
 * Lists by masks of bits, one for each kind of byte. A list is plain when each byte may stand behind the byte before it (sql_byte_masks.h says which may);
 * inside of strings all may. What is inside is known by the quotes: a byte is when their number before it is odd, and a quote that is doubled ends one string
 * and begins the next. Two rules look further back: between rows there is one comma, and in a number one dot. Words, casts and unusual blanks are looked at one
 * by one, and then taken out of the masks.
 *
 * Invariant: what a block's bits say depends on its bytes and those before it only, so bits in front of where a list ends are right whatever follows.
 */
#include "protocol/sql_plain_list.h"

#include "protocol/sql_byte_masks.h"
#include "protocol/sql_plain_literal.h"
#include "protocol/sql_type_name.h"

#include <assert.h>
#include <strings.h>

/* What is asked of single bytes. */
struct words {
    const char *text;
    size_t size;
    char closing;
    bool are_rows;
    size_t start;           /* behind the text: the first byte cannot begin an element */
    size_t taken_end;       /* of what was taken last; the byte there is known to be right */
    size_t row_start;       /* where the last row begins that has more than a blank in front; 0: there is none */
    size_t cast, cast_size; /* the last cast that was read */
    uint32_t defaults;
};

/* What goes on from block to block. */
struct scan {
    size_t at;
    uint64_t in_string; /* all bits: the first byte is inside of a string, or the quote that ends it */
    uint64_t closes;    /* of the block before */
    uint64_t fraction;  /* 1: a dot was there, and no end of its number */
    uint32_t commas, opens, gaps;
};

/* What there is in a block, outside of strings. */
struct found {
    uint64_t bad;
    uint64_t stops; /* the first one: where the list has ended */
    uint64_t commas, opens, closes, dots;
    uint64_t gaps; /* commas between rows */
};

#define INLINE static inline __attribute__((always_inline))

static inline uint64_t bits_below(size_t bit)
{
    return bit >= 64 ? UINT64_MAX : (UINT64_C(1) << bit) - 1;
}

/* ---- words, casts and blanks: each function returns where what is at this place ends; or the place itself, when that is not right ---- */

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_word(const char *at, size_t size, const char *word, size_t word_size)
{
    return size == word_size && strncasecmp(at, word, word_size) == 0;
}

static bool is_number_or_string(char c)
{
    return sql_is_digit(c) || c == '\'' || c == '-';
}

/* Whether what ends an element is at this place. */
static bool is_element_end(const struct words *words, size_t at)
{
    return at < words->size && (words->text[at] == ',' || words->text[at] == words->closing);
}

/* NULL, TRUE, FALSE, DEFAULT */
static size_t word_end(struct words *words, size_t at)
{
    const char *word = words->text + at;
    char before = word[-1];
    size_t end = at;
    if (!sql_is_blank(before) && before != ',' && before != '(' && before != '[') return at;
    while (end < words->size && is_letter(words->text[end])) end++;
    size_t size = end - at;
    bool is_literal = is_word(word, size, "null", 4) || is_word(word, size, "true", 4) || is_word(word, size, "false", 5);
    bool is_default = words->are_rows && is_word(word, size, "default", 7);
    if (!is_element_end(words, end) && !(is_literal && end < words->size && words->text[end] == ':')) return at;
    words->defaults += is_default;
    return is_literal || is_default ? end : at;
}

/* What was read as a cast and had the end of an element behind it is one wherever it stands so again. */
static size_t cast_end(struct words *words, size_t at)
{
    struct sql_lex lex;
    char before = words->text[at - 1];
    if (before != '\'' && !sql_is_digit(before) && !is_letter(before)) return at;
    if (words->cast_size > 0 && words->size - at > words->cast_size &&
        memcmp(words->text + at, words->text + words->cast, words->cast_size) == 0 && is_element_end(words, at + words->cast_size))
        return at + words->cast_size;
    sql_lex_init(&lex, words->text, words->size, SQL_STRINGS_STANDARD);
    lex.position = at;
    sql_skip_casts(&lex);
    bool is_cast = lex.position > at && is_element_end(words, lex.position) && !memchr(words->text + at, '\'', lex.position - at);
    if (!is_cast) return at;
    words->cast = at;
    words->cast_size = lex.position - at;
    return lex.position;
}

/* Whether the comma in front of these blanks, of which all but the last are spaces, stands behind a row. */
static bool is_gap(const struct words *words, size_t blank)
{
    while (words->text[blank] == ' ') blank--;
    return words->are_rows && words->text[blank] == ',' && words->text[blank - 1] == ')' && words->taken_end != blank;
}

/* More than one blank, or other ones, or in front of what ends an element. */
static size_t blanks_end(struct words *words, size_t at)
{
    char before = words->text[at - 1];
    size_t end = at;
    while (end < words->size && sql_is_blank(words->text[end])) end++;
    if (end == words->size) return at;
    if (before == '\'' || sql_is_digit(before)) return is_element_end(words, end) ? end : at;
    if (before != ',' && before != ' ' && before != '(' && before != '[') return at;
    if (words->text[end] == '(' && is_gap(words, at - 1)) {
        words->row_start = end;
        return end;
    }
    return is_number_or_string(words->text[end]) || is_letter(words->text[end]) ? end : at;
}

static size_t taken_end(struct words *words, size_t at)
{
    if (words->text[at] == ':') return cast_end(words, at);
    return sql_is_blank(words->text[at]) ? blanks_end(words, at) : word_end(words, at);
}

/* ---- one block ---- */

/* At what closes; or behind a row, if that does not go on. */
INLINE uint64_t stops_of(bool are_rows, uint64_t commas, uint64_t closes, uint64_t closes_before)
{
    return are_rows ? sql_shifted(closes, 1, closes_before) & ~commas : closes;
}

static uint64_t bit_at(size_t place, size_t block)
{
    return place >= block && place - block < SQL_BLOCK_SIZE ? UINT64_C(1) << (place - block) : 0;
}

/* The byte behind what was taken: but for the beginning of a word or a cast, it has been looked at. */
static uint64_t right_behind(const struct words *words, size_t block)
{
    uint64_t bit = bit_at(words->taken_end, block);
    return bit != 0 && !is_letter(words->text[words->taken_end]) && words->text[words->taken_end] != ':' ? bit : 0;
}

/* Bad bytes that are part of a word, a cast or blanks, in front of where the list ends, are not. Returns the bits where a row begins behind such blanks. */
static __attribute__((noinline)) uint64_t take_words(struct words *words, size_t at, uint64_t closes_before, struct found *found)
{
    uint64_t taken = words->taken_end > at ? bits_below(words->taken_end - at) : 0;
    uint64_t right = taken | right_behind(words, at);
    uint64_t row_starts = bit_at(words->row_start, at);
    for (;;) {
        uint64_t bad = found->bad & ~right;
        uint64_t stops = stops_of(words->are_rows, found->commas & ~taken, found->closes & ~taken, closes_before);
        if (bad == 0 || (stops != 0 && __builtin_ctzll(stops) <= __builtin_ctzll(bad))) break;
        unsigned bit = (unsigned)__builtin_ctzll(bad);
        if (at + bit >= words->size) break;
        size_t end = taken_end(words, at + bit);
        if (end == at + bit) break;
        words->taken_end = end;
        taken |= bits_below(end - at) & ~bits_below(bit);
        right |= taken;
        right |= right_behind(words, at);
        row_starts |= bit_at(words->row_start, at);
    }
    found->bad &= ~right;
    found->commas &= ~taken;
    found->opens &= ~taken;
    found->closes &= ~taken;
    found->dots &= ~taken;
    return row_starts;
}

/* Bytes behind a dot, up to a comma or what closes, that are dots. */
INLINE uint64_t second_dots(struct scan *scan, const struct found *found)
{
    uint64_t number = ~(found->commas | found->closes | found->dots);
    uint64_t sum;
    bool goes_on = __builtin_add_overflow(number, found->dots << 1 | scan->fraction, &sum);
    scan->fraction = goes_on | found->dots >> 63;
    return sum & ~number & found->dots;
}

/* Of what there is, only what is in front of the end counts; and what closes a list must be right too. */
INLINE void cut(struct found *found, bool are_rows)
{
    uint64_t end = found->stops & -found->stops;
    uint64_t below = end - 1;
    found->bad &= are_rows ? below : below | end;
    found->commas &= below;
    found->opens &= below;
    found->gaps &= below;
}

INLINE void pass_block(struct scan *scan, struct words *words, const struct sql_byte_masks *masks, uint64_t parity, struct found *found)
{
    bool are_rows = words->are_rows;
    parity ^= scan->in_string;
    uint64_t outside = ~(parity << 1 | (scan->in_string & 1)); /* the closing quote is inside */
    found->bad = masks->bad & outside;
    found->commas = masks->commas & outside;
    found->opens = masks->opens & outside;
    found->closes = masks->closes & outside;
    found->dots = masks->dots & outside;
    uint64_t row_starts = 0;
    if (found->bad != 0 || words->taken_end >= scan->at) {
        struct found copy = *found; /* else all of it is kept in memory for the sake of this */
        row_starts = take_words(words, scan->at, scan->closes, &copy);
        *found = copy;
    }

    /* Behind a comma that is behind what closes, and a blank: what else could be there is bad. */
    uint64_t closes = found->closes;
    row_starts |= sql_shifted(closes, 2, scan->closes) | sql_shifted(closes, 3, scan->closes);
    found->bad |= found->opens & ~row_starts;
    if ((found->dots | scan->fraction) != 0) found->bad |= second_dots(scan, found);
    found->gaps = found->commas & sql_shifted(closes, 1, scan->closes);
    found->stops = stops_of(are_rows, found->commas, closes, scan->closes);
    if (found->stops != 0) cut(found, are_rows);
    scan->closes = closes;
    scan->in_string = 0 - (parity >> 63);
}

/* ---- all blocks ---- */

/* The first byte must be one that may begin an element; if one does it that is not to be looked at as a word, it is known to be right. */
static struct words words_of(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind)
{
    assert(start > 0);
    struct words words = {.text = text, .size = size, .closing = kind == SQL_PLAIN_ARRAY ? ']' : ')', .are_rows = kind == SQL_PLAIN_ROWS};
    if (start < size && (is_number_or_string(text[start]) || text[start] == ' ')) words.taken_end = start;
    bool may_begin = words.taken_end == start || (start < size && (is_letter(text[start]) || sql_is_blank(text[start])));
    words.start = may_begin ? start : size + 1;
    return words;
}

/* The block at hand, behind the byte before it; what is behind the text is zeroes. */
INLINE const char *block_at(const char *text, size_t size, size_t at, char copy[1 + SQL_BLOCK_SIZE])
{
    if (size - at >= SQL_BLOCK_SIZE) return text + at;
    memset(copy, 0, 1 + SQL_BLOCK_SIZE);
    memcpy(copy, text + at - 1, size - at + 1);
    return copy + 1;
}

/* What is behind the last row must not go on with it. */
static bool ends_rows(const struct words *words, size_t at)
{
    while (at < words->size && sql_is_blank(words->text[at])) at++;
    return at == words->size || words->text[at] != ',';
}

/* Behind the last block; `found` is of that. */
INLINE bool judge(const struct scan *scan, const struct words *words, const struct found *found, struct sql_plain_list *out)
{
    bool are_rows = words->are_rows;
    if (found->stops == 0 || scan->gaps != scan->opens) return false;
    size_t stop = scan->at - SQL_BLOCK_SIZE + (unsigned)__builtin_ctzll(found->stops);
    out->end = stop - are_rows;
    out->length = 1 + (are_rows ? scan->opens : scan->commas);
    out->literal_count = 1 + scan->commas - words->defaults;
    return !are_rows || ends_rows(words, stop);
}

bool sql_plain_list_by_lanes(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out)
{
    struct words words = words_of(text, size, start, kind);
    struct scan scan = {.at = words.start};
    char copy[1 + SQL_BLOCK_SIZE];
    struct sql_byte_masks masks;
    struct found found = {0};
    for (; scan.at <= size && found.stops == 0; scan.at += SQL_BLOCK_SIZE) {
        sql_byte_masks_by_lanes(block_at(text, size, scan.at, copy), kind == SQL_PLAIN_ARRAY, &masks);
        pass_block(&scan, &words, &masks, sql_parity(masks.quotes), &found);
        if (found.bad != 0) return false;
        scan.commas += sql_count(found.commas);
        scan.opens += sql_count(found.opens);
        scan.gaps += sql_count(found.gaps);
    }
    return judge(&scan, &words, &found, out);
}

#ifdef SQL_HAS_AVX2
/* Whether the byte before is what it looks like, and part of a list of integers. */
INLINE bool is_behind_integer(const struct scan *scan, const struct words *words)
{
    char before = words->text[scan->at - 1];
    bool is_plain = scan->in_string == 0 && scan->fraction == 0 && words->taken_end < scan->at;
    return is_plain && (sql_is_digit(before) || before == ',' || before == ' ');
}

/* As far as nothing but integers comes. */
SQL_AVX2 static inline size_t integers_end(const char *text, size_t size, size_t at, const struct sql_avx2_tables *tables, uint32_t *commas)
{
    while (size - at >= SQL_INTEGERS_SIZE && sql_avx2_are_integers(text + at, tables, commas)) at += SQL_INTEGERS_SIZE;
    return at;
}

/* The same. What is for AVX2 can only be made part of a function that is for it. */
SQL_AVX2 static bool by_avx2(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out)
{
    struct words words = words_of(text, size, start, kind);
    struct scan scan = {.at = words.start};
    char copy[1 + SQL_BLOCK_SIZE];
    struct sql_byte_masks masks;
    struct found found = {0};
    const struct sql_avx2_tables *tables = &sql_avx2_tables[kind == SQL_PLAIN_ARRAY];
    bool may_be_integers = kind != SQL_PLAIN_ROWS;
    while (scan.at <= size && found.stops == 0) {
        sql_byte_masks_by_avx2(block_at(text, size, scan.at, copy), tables, &masks);
        pass_block(&scan, &words, &masks, sql_avx2_parity(masks.quotes), &found);
        if (found.bad != 0) return false;
        scan.commas += (uint32_t)__builtin_popcountll(found.commas);
        scan.opens += (uint32_t)__builtin_popcountll(found.opens);
        scan.gaps += (uint32_t)__builtin_popcountll(found.gaps);
        scan.at += SQL_BLOCK_SIZE;
        if (!may_be_integers || found.stops != 0 || scan.at >= size || !is_behind_integer(&scan, &words)) continue;
        size_t end = integers_end(text, size, scan.at, tables, &scan.commas);
        if (end > scan.at) scan.closes = 0;
        scan.at = end;
        may_be_integers = false; /* tried once */
    }
    return judge(&scan, &words, &found, out);
}
#endif

bool sql_plain_list(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out)
{
#ifdef SQL_HAS_AVX2
    if (sql_can_avx2()) return by_avx2(text, size, start, kind, out);
#endif
    return sql_plain_list_by_lanes(text, size, start, kind, out);
}
