/*
 * Lists by masks of bits, one for each kind of byte. A list is plain when each byte may stand behind the byte before it: a digit not behind a quote, a comma
 * behind a literal, and so on; inside of strings all may. What is inside is known by the quotes: a byte is when their number before it is odd, and a quote that
 * is doubled ends one string and begins the next. Words and casts are looked at one by one, and then taken out of the masks.
 *
 * Invariants: what a block's bits say depends on its bytes and those before it only, so bits in front of where a list ends are right whatever follows; each
 * block begins with the last byte of the one before, bit 0, which has been judged there.
 */
#include "protocol/sql_plain_list.h"

#include "protocol/sql_byte_masks.h"
#include "protocol/sql_plain_literal.h"
#include "protocol/sql_type_name.h"

#include <assert.h>
#include <strings.h>

/* What is asked of single words. */
struct words {
    const char *text;
    size_t size;
    char closing;
    bool are_rows;
    size_t taken_end;       /* of the last word or cast */
    size_t cast, cast_size; /* the last cast that was read */
    uint32_t defaults;
};

/* What goes on from block to block. */
struct scan {
    size_t at;
    uint64_t in_string; /* all bits: bit 0 is inside of a string, or the quote that ends it */
    uint64_t between;   /* 1: bit 0 is a comma between rows */
    uint64_t blanks;    /* 1: it is a blank behind such a one */
    uint64_t fraction;  /* 1: it is a digit behind a dot */
    uint32_t commas, opens;
    struct words words;
    char copy[SQL_BLOCK_SIZE];
};

/* What there is in a block. */
struct found {
    uint64_t bad;           /* what must not stand behind the byte before it */
    uint64_t stops;         /* the first one: where the list has ended */
    uint64_t commas, opens; /* outside of strings */
};

static inline uint64_t bits_below(size_t bit)
{
    return bit >= 64 ? UINT64_MAX : (UINT64_C(1) << bit) - 1;
}

/*
 * From each of `starts` through the run of `mask` that begins there, to the bit behind it. A start where no run begins stays. A run up to the last bit goes on
 * at bit 0 of the next block, which no other one starts at.
 */
static inline uint64_t behind_runs(uint64_t starts, uint64_t mask, uint64_t *over)
{
    uint64_t sum;
    *over = __builtin_add_overflow(mask, starts | *over, &sum);
    return sum & ~mask;
}

/* ---- words and casts ---- */

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || c == '\n' || c == '(' || c == '[';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_word(const char *at, size_t size, const char *word, size_t word_size)
{
    return size == word_size && strncasecmp(at, word, word_size) == 0;
}

/* Whether what ends an element is at this place. */
static bool is_element_end(const struct words *words, size_t at)
{
    return at < words->size && (words->text[at] == ',' || words->text[at] == words->closing);
}

/* NULL, TRUE, FALSE, DEFAULT; returns where it ends, or `at`. */
static size_t word_end(struct words *words, size_t at)
{
    const char *word = words->text + at;
    size_t end = at;
    if (!is_separator(words->text[at - 1])) return at;
    while (end < words->size && is_letter(words->text[end])) end++;
    size_t size = end - at;
    bool is_literal = is_word(word, size, "null", 4) || is_word(word, size, "true", 4) || is_word(word, size, "false", 5);
    bool is_default = words->are_rows && is_word(word, size, "default", 7);
    if (!is_element_end(words, end) && !(is_literal && end < words->size && words->text[end] == ':')) return at;
    words->defaults += is_default;
    return is_literal || is_default ? end : at;
}

/*
 * The same for casts. What was read as a cast and had the end of an element behind it is one wherever it stands so again.
 */
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

/* ---- one block ---- */

/* The first of these bits is where the list has ended: at what closes it, or behind a row if that does not go on. */
static inline uint64_t stops_of(bool are_rows, uint64_t closes, uint64_t commas)
{
    return are_rows ? closes << 1 & ~commas : closes;
}

/* The bits of words and casts, of those in front of where the list ends. */
static __attribute__((noinline)) uint64_t take_words(struct words *words, size_t block, uint64_t others, uint64_t closes, uint64_t commas)
{
    uint64_t taken = words->taken_end > block ? bits_below(words->taken_end - block) : 0;
    for (;;) {
        uint64_t left = others & ~taken;
        uint64_t stops = stops_of(words->are_rows, closes & ~taken, commas & ~taken);
        if (left == 0 || (stops != 0 && __builtin_ctzll(stops) <= __builtin_ctzll(left))) return taken;
        unsigned bit = (unsigned)__builtin_ctzll(left);
        size_t at = block + bit;
        if (at >= words->size) return taken;
        size_t end = words->text[at] == ':' ? cast_end(words, at) : word_end(words, at);
        if (end == at) return taken;
        words->taken_end = end;
        taken |= bits_below(end - block) & ~bits_below(bit);
    }
}

#define INLINE static inline __attribute__((always_inline))

/* Whether there is nothing but "1, 23,456", and bit 0 is what its byte looks like. */
INLINE bool are_integers(const struct scan *scan, const struct sql_integer_masks *integers, struct found *found)
{
    uint64_t behind_digits = integers->digits << 1;
    found->bad = (integers->commas & ~behind_digits) | (integers->blanks & behind_digits);
    found->commas = integers->commas;
    return (integers->digits | integers->commas | integers->blanks) == UINT64_MAX &&
           (scan->in_string | scan->between | scan->blanks | scan->fraction) == 0 && scan->words.taken_end <= scan->at;
}

/* Of what there is, only what is in front of the end counts; and what closes a list must be right too. */
INLINE void cut(struct found *found, bool are_rows)
{
    uint64_t end = found->stops & -found->stops;
    uint64_t below = end - 1;
    found->bad &= are_rows ? below : below | end;
    found->commas &= below;
    found->opens &= below;
}

INLINE void pass_block(struct scan *scan, const struct sql_integer_masks *integers, const struct sql_punctuation_masks *others,
                       uint64_t parity, struct found *found)
{
    uint64_t inside = ((parity ^ scan->in_string) << 1) - scan->in_string; /* with the closing quote */
    uint64_t digits = integers->digits;
    uint64_t blanks = integers->blanks;
    uint64_t dots = others->dots;
    uint64_t minuses = others->minuses;
    uint64_t commas = integers->commas & ~inside;
    uint64_t opens = others->opens & ~inside;
    uint64_t closes = others->closes & ~inside;
    uint64_t opening = others->quotes & ~inside;
    uint64_t ends = others->quotes & inside;
    uint64_t known = digits | blanks | integers->commas | dots | minuses | others->opens | others->closes | others->quotes | inside;
    if (known >> 1 != UINT64_MAX >> 1 || scan->words.taken_end > scan->at) {
        uint64_t taken = take_words(&scan->words, scan->at, ~known & ~UINT64_C(1), closes, commas);
        known |= taken;
        digits &= ~taken;
        blanks &= ~taken;
        dots &= ~taken;
        minuses &= ~taken;
        commas &= ~taken;
        opens &= ~taken;
        closes &= ~taken;
        ends |= taken;
    }
    uint64_t between = (commas & closes << 1) | scan->between;
    uint64_t row_starts = behind_runs(between << 1, blanks, &scan->blanks);

    /* By what the byte before is. Inside of strings this says nothing, and each dot or minus outside has a digit behind it. */
    uint64_t signs = minuses | blanks;
    uint64_t bad = digits << 1 & (signs | opening);
    bad |= ends << 1 & (signs | digits | dots);
    bad |= (commas | blanks | opens) << 1 & (commas | closes | dots);
    bad |= (dots | minuses) << 1 & ~digits;
    if ((dots | scan->fraction) != 0) bad |= behind_runs(dots << 1, digits, &scan->fraction) & dots;
    found->bad = (bad & ~inside) | (opens ^ row_starts) | ~known;
    found->stops = stops_of(scan->words.are_rows, closes, commas);
    found->commas = commas;
    found->opens = opens;
    scan->in_string = (uint64_t)((int64_t)inside >> 63);
    scan->between = between >> 63;
    if (found->stops != 0) cut(found, scan->words.are_rows);
}

/* ---- all blocks ---- */

static struct scan scan_of(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind)
{
    assert(start > 0);
    struct words words = {.text = text, .size = size, .closing = kind == SQL_PLAIN_ARRAY ? ']' : ')', .are_rows = kind == SQL_PLAIN_ROWS};
    return (struct scan){.at = start - 1, .words = words};
}

/* The block at hand; what is behind the text is zeroes. */
INLINE const char *block_at(struct scan *scan)
{
    size_t left = scan->words.size - scan->at;
    if (left >= SQL_BLOCK_SIZE) return scan->words.text + scan->at;
    memset(scan->copy, 0, SQL_BLOCK_SIZE);
    memcpy(scan->copy, scan->words.text + scan->at, left);
    return scan->copy;
}

/* What is behind the last row must not go on with it. */
static bool ends_rows(const struct words *words, size_t at)
{
    while (at < words->size && (words->text[at] == ' ' || (words->text[at] >= '\t' && words->text[at] <= '\r'))) at++;
    return at == words->size || words->text[at] != ',';
}

/* Behind the last block; `found` is of that. */
static bool judge(const struct scan *scan, const struct found *found, struct sql_plain_list *out)
{
    bool are_rows = scan->words.are_rows;
    if (found->stops == 0) return false;
    size_t stop = scan->at - (SQL_BLOCK_SIZE - 1) + (unsigned)__builtin_ctzll(found->stops);
    out->end = stop - are_rows;
    out->length = 1 + (are_rows ? scan->opens : scan->commas);
    out->literal_count = 1 + scan->commas - scan->words.defaults;
    return !are_rows || ends_rows(&scan->words, stop);
}

bool sql_plain_list_by_lanes(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out)
{
    struct scan scan = scan_of(text, size, start, kind);
    struct sql_integer_masks integers;
    struct sql_punctuation_masks others;
    struct found found = {0};
    for (; scan.at < size && found.stops == 0; scan.at += SQL_BLOCK_SIZE - 1) {
        const char *block = block_at(&scan);
        sql_integer_masks_by_lanes(block, &integers);
        if (!are_integers(&scan, &integers, &found)) {
            sql_punctuation_masks_by_lanes(block, scan.words.closing, &others);
            pass_block(&scan, &integers, &others, sql_parity(others.quotes), &found);
            scan.opens += sql_count(found.opens >> 1);
        }
        if (found.bad >> 1 != 0) return false;
        scan.commas += sql_count(found.commas >> 1);
    }
    return judge(&scan, &found, out);
}

#ifdef SQL_HAS_AVX2
/* The same. What is for AVX2 can only be made part of a function that is for it. */
SQL_AVX2 static bool by_avx2(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out)
{
    struct scan scan = scan_of(text, size, start, kind);
    struct sql_integer_masks integers;
    struct sql_punctuation_masks others;
    struct found found = {0};
    const __m256i *needles = sql_avx2_needles();
    for (; scan.at < size && found.stops == 0; scan.at += SQL_BLOCK_SIZE - 1) {
        const char *block = block_at(&scan);
        sql_integer_masks_by_avx2(block, needles, &integers);
        if (!are_integers(&scan, &integers, &found)) {
            sql_punctuation_masks_by_avx2(block, needles, scan.words.closing, &others);
            pass_block(&scan, &integers, &others, sql_avx2_parity(others.quotes), &found);
            scan.opens += (uint32_t)__builtin_popcountll(found.opens >> 1);
        }
        if (found.bad >> 1 != 0) return false;
        scan.commas += (uint32_t)__builtin_popcountll(found.commas >> 1);
    }
    return judge(&scan, &found, out);
}
#endif

bool sql_plain_list(const char *text, size_t size, size_t start, enum sql_plain_list_kind kind, struct sql_plain_list *out)
{
#ifdef SQL_HAS_AVX2
    if (sql_can_avx2()) return by_avx2(text, size, start, kind, out);
#endif
    return sql_plain_list_by_lanes(text, size, start, kind, out);
}
