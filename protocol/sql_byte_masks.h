#ifndef PROTOCOL_SQL_BYTE_MASKS_H
#define PROTOCOL_SQL_BYTE_MASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * What there is in 64 bytes of a list of literals: bit i is for byte i. Two ways to find it, which the tests compare: in lanes of 16 bytes, for any processor,
 * and by AVX2, for those that have it.
 *
 * `bad` are bytes that must not stand behind the one before them, which is read as well:
 *
 *     behind            there may be
 *     a digit           a digit, a dot, a comma, what closes
 *     a quote           a quote, a comma, what closes
 *     a comma           a digit, a quote, a minus, what opens, a blank
 *     a blank           a digit, a quote, a minus, what opens
 *     a parenthesis     a digit, a quote, a minus, a blank
 *     one that closes   a comma
 *     a dot, a minus    a digit
 *
 * A blank is a space. Any other byte is bad, and what is said of the byte behind it means nothing. What opens are parentheses; what closes is one, or a bracket
 * where `is_array`, behind which nothing is said either. Strings are not known here.
 */
enum { SQL_BLOCK_SIZE = 64 };

struct sql_byte_masks {
    uint64_t bad, quotes, commas, opens, closes, dots;
};

static inline uint64_t sql_shifted(uint64_t mask, unsigned bits, uint64_t before)
{
    return mask << bits | before >> (64 - bits);
}

/* ---- 16 lanes ---- */

typedef int8_t sql_lanes __attribute__((vector_size(16)));

/* The highest bit of each lane; all lanes are 0 or -1. */
static inline uint64_t sql_lanes_mask(sql_lanes lanes)
{
#if defined(__SSE2__)
    typedef char signed_lanes __attribute__((vector_size(16)));
    return (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128((signed_lanes)lanes);
#else
    /* The bit of its place is left in each, and a product adds up the eight of a word in its highest byte. */
    static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t words[2], weights[2];
    memcpy(words, &lanes, sizeof words);
    memcpy(weights, places, sizeof weights);
    return ((words[0] & weights[0]) * ones) >> 56 | ((words[1] & weights[1]) * ones) >> 56 << 8;
#endif
}

static inline sql_lanes sql_load_lanes(const char *at)
{
    sql_lanes lanes;
    memcpy(&lanes, at, sizeof lanes);
    return lanes;
}

static inline uint64_t sql_lanes_equal(const sql_lanes block[4], char c)
{
    uint64_t mask = 0;
    for (int i = 3; i >= 0; i--) mask = mask << 16 | sql_lanes_mask(block[i] == (int8_t)c);
    return mask;
}

/* Bits in the order of their bytes, the byte before first: what it may stand behind is decided by its bit. */
static inline uint64_t sql_behind(const char *at, uint64_t mask, char c)
{
    return mask << 1 | (at[-1] == c);
}

static inline void sql_byte_masks_by_lanes(const char *at, bool is_array, struct sql_byte_masks *out)
{
    char close = is_array ? ']' : ')';
    sql_lanes block[4] = {sql_load_lanes(at), sql_load_lanes(at + 16), sql_load_lanes(at + 32), sql_load_lanes(at + 48)};
    uint64_t digits = 0;
    for (int i = 3; i >= 0; i--) digits = digits << 16 | sql_lanes_mask((block[i] >= '0') & (block[i] <= '9'));
    uint64_t quotes = sql_lanes_equal(block, '\'');
    uint64_t commas = sql_lanes_equal(block, ',');
    uint64_t blanks = sql_lanes_equal(block, ' ');
    uint64_t opens = sql_lanes_equal(block, '(');
    uint64_t closes = sql_lanes_equal(block, close);
    uint64_t dots = sql_lanes_equal(block, '.');
    uint64_t minuses = sql_lanes_equal(block, '-');
    uint64_t starts = digits | quotes | minuses;
    uint64_t ends = commas | closes;
    uint64_t fine = (digits << 1 | (at[-1] >= '0' && at[-1] <= '9')) & (digits | dots | ends);
    fine |= sql_behind(at, quotes, '\'') & (quotes | ends);
    fine |= sql_behind(at, commas, ',') & (starts | opens | blanks);
    fine |= sql_behind(at, blanks, ' ') & (starts | opens);
    fine |= sql_behind(at, opens, '(') & (starts | blanks);
    fine |= sql_behind(at, closes, close) & commas;
    fine |= (sql_behind(at, dots, '.') | sql_behind(at, minuses, '-')) & digits;
    *out = (struct sql_byte_masks){~fine, quotes, commas, opens, closes, dots};
}

/* Each bit becomes the sum, without carry, of itself and those below. */
static inline uint64_t sql_parity(uint64_t mask)
{
    mask ^= mask << 1;
    mask ^= mask << 2;
    mask ^= mask << 4;
    mask ^= mask << 8;
    mask ^= mask << 16;
    return mask ^ mask << 32;
}

static inline uint32_t sql_count(uint64_t mask)
{
    mask -= mask >> 1 & UINT64_C(0x5555555555555555);
    mask = (mask & UINT64_C(0x3333333333333333)) + (mask >> 2 & UINT64_C(0x3333333333333333));
    return (uint32_t)(((mask + (mask >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f)) * UINT64_C(0x0101010101010101) >> 56);
}

/* ---- AVX2 ---- */

#if defined(__x86_64__)
#define SQL_HAS_AVX2 1
#define SQL_AVX2     __attribute__((target("avx2,bmi,popcnt,pclmul")))

#include <immintrin.h>

static inline bool sql_can_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("pclmul");
}

/*
 * One bit for each class of bytes. `lower` and `upper` are by the halves of a byte: its class is what both have in common. `behind` is which classes may stand
 * behind it, by its distance from the quote and with all digits in one place. Each table is there twice; then come bytes to compare with, as often as fits.
 */
struct sql_avx2_tables {
    uint8_t lower[32], upper[32], behind[32];
    uint8_t half[32], before_quote[32], digit[32];
    uint8_t quote[32], comma[32], open[32], close[32], dot[32];
    uint8_t blank[32], behind_nine[32], below_zero[32];
};

extern const struct sql_avx2_tables sql_avx2_tables[2]; /* [is_array] */

SQL_AVX2 static inline __m256i sql_avx2_load(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

SQL_AVX2 static inline uint64_t sql_avx2_mask(__m256i low, __m256i high)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 | (uint32_t)_mm256_movemask_epi8(low);
}

SQL_AVX2 static inline uint64_t sql_avx2_equal(__m256i low, __m256i high, const uint8_t needle[32])
{
    return sql_avx2_mask(_mm256_cmpeq_epi8(low, sql_avx2_load(needle)), _mm256_cmpeq_epi8(high, sql_avx2_load(needle)));
}

SQL_AVX2 static inline __m256i sql_avx2_bad(__m256i bytes, __m256i before, const struct sql_avx2_tables *tables)
{
    __m256i upper = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), sql_avx2_load(tables->half));
    __m256i is = _mm256_and_si256(_mm256_shuffle_epi8(sql_avx2_load(tables->lower), bytes),
                                  _mm256_shuffle_epi8(sql_avx2_load(tables->upper), upper));
    __m256i place = _mm256_min_epu8(_mm256_subs_epu8(before, sql_avx2_load(tables->before_quote)), sql_avx2_load(tables->digit));
    __m256i may_be = _mm256_shuffle_epi8(sql_avx2_load(tables->behind), place);
    return _mm256_cmpeq_epi8(_mm256_and_si256(is, may_be), _mm256_setzero_si256());
}

SQL_AVX2 static inline void sql_byte_masks_by_avx2(const char *at, const struct sql_avx2_tables *tables, struct sql_byte_masks *out)
{
    __m256i low = sql_avx2_load(at);
    __m256i high = sql_avx2_load(at + 32);
    out->bad = sql_avx2_mask(sql_avx2_bad(low, sql_avx2_load(at - 1), tables), sql_avx2_bad(high, sql_avx2_load(at + 31), tables));
    out->quotes = sql_avx2_equal(low, high, tables->quote);
    out->commas = sql_avx2_equal(low, high, tables->comma);
    out->opens = sql_avx2_equal(low, high, tables->open);
    out->closes = sql_avx2_equal(low, high, tables->close);
    out->dots = sql_avx2_equal(low, high, tables->dot);
}

/* What of "1, 23,456" is wrong among 32 bytes: lanes of 0 or -1. Commas are taken from the counts. */
SQL_AVX2 static inline __m256i sql_avx2_no_integers(const char *at, const struct sql_avx2_tables *tables, __m256i *commas)
{
    __m256i bytes = sql_avx2_load(at);
    __m256i before = sql_avx2_load(at - 1);
    __m256i is_comma = _mm256_cmpeq_epi8(bytes, sql_avx2_load(tables->comma));
    __m256i is_blank = _mm256_cmpeq_epi8(bytes, sql_avx2_load(tables->blank));
    __m256i was_comma = _mm256_cmpeq_epi8(before, sql_avx2_load(tables->comma));
    __m256i was_blank = _mm256_cmpeq_epi8(before, sql_avx2_load(tables->blank));
    __m256i is_digit = _mm256_cmpgt_epi8(_mm256_add_epi8(bytes, sql_avx2_load(tables->behind_nine)), sql_avx2_load(tables->below_zero));
    __m256i is_right =
        _mm256_or_si256(_mm256_andnot_si256(_mm256_or_si256(was_comma, was_blank), is_comma), _mm256_and_si256(was_comma, is_blank));
    *commas = _mm256_sub_epi8(*commas, is_comma);
    return _mm256_cmpeq_epi8(_mm256_or_si256(is_digit, is_right), _mm256_setzero_si256());
}

/*
 * Whether 128 bytes, with the one before them a digit, a comma or a blank, go on like "1, 23,456". Their commas are added.
 */
enum { SQL_INTEGERS_SIZE = 128 };
SQL_AVX2 static inline bool sql_avx2_are_integers(const char *at, const struct sql_avx2_tables *tables, uint32_t *commas)
{
    __m256i counts = _mm256_setzero_si256();
    __m256i wrong = sql_avx2_no_integers(at, tables, &counts);
    wrong = _mm256_or_si256(wrong, sql_avx2_no_integers(at + 32, tables, &counts));
    wrong = _mm256_or_si256(wrong, sql_avx2_no_integers(at + 64, tables, &counts));
    wrong = _mm256_or_si256(wrong, sql_avx2_no_integers(at + 96, tables, &counts));
    if (!_mm256_testz_si256(wrong, wrong)) return false;
    __m256i sums = _mm256_sad_epu8(counts, _mm256_setzero_si256());
    __m128i sum = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    *commas += (uint32_t)_mm_cvtsi128_si32(sum) + (uint32_t)_mm_extract_epi32(sum, 2);
    return true;
}

/* As sql_parity(). */
SQL_AVX2 static inline uint64_t sql_avx2_parity(uint64_t mask)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)mask), _mm_set1_epi8(-1), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}
#endif

#endif
