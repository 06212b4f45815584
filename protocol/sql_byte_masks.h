#ifndef PROTOCOL_SQL_BYTE_MASKS_H
#define PROTOCOL_SQL_BYTE_MASKS_H

#include <stdint.h>
#include <string.h>

/*
 * Where in 64 bytes of SQL the bytes are that lists of literals are made of: bit i is for byte i. Two ways to find them, which the tests compare: in lanes of
 * 16 bytes, for any processor, and by AVX2, for those that have it.
 */
enum { SQL_BLOCK_SIZE = 64 };

/* What lists of integers are made of. */
struct sql_integer_masks {
    uint64_t digits, commas, blanks; /* a blank is a space or a newline */
};

/* What else there may be. */
struct sql_punctuation_masks {
    uint64_t quotes, dots, minuses;
    uint64_t opens, closes; /* parentheses or, where `closing` is one, brackets */
};

/* ---- 16 lanes ---- */

typedef int8_t sql_lanes __attribute__((vector_size(16)));
typedef uint64_t sql_lane_words __attribute__((vector_size(16)));

/* The highest bit of each lane. */
static inline uint64_t sql_lanes_mask(sql_lanes lanes)
{
#if defined(__SSE2__)
    typedef char signed_lanes __attribute__((vector_size(16)));
    return (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128((signed_lanes)lanes);
#else
    /* All lanes are 0 or -1 here: the bit of its place is left in each, and a product adds up the eight of a word in its highest byte. */
    static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t words[2], weights[2];
    memcpy(words, &lanes, sizeof words);
    memcpy(weights, places, sizeof weights);
    return ((words[0] & weights[0]) * ones) >> 56 | ((words[1] & weights[1]) * ones) >> 56 << 8;
#endif
}

static inline uint64_t sql_lanes_equal(const sql_lanes block[4], char c)
{
    uint64_t mask = 0;
    for (int i = 3; i >= 0; i--) mask = mask << 16 | sql_lanes_mask(block[i] == (int8_t)c);
    return mask;
}

static inline void sql_load_lanes(const char *at, sql_lanes block_out[4])
{
    memcpy(block_out, at, SQL_BLOCK_SIZE);
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

static inline void sql_integer_masks_by_lanes(const char *at, struct sql_integer_masks *out)
{
    sql_lanes block[4];
    sql_load_lanes(at, block);
    out->commas = sql_lanes_equal(block, ',');
    out->blanks = out->digits = 0;
    for (int i = 3; i >= 0; i--) {
        sql_lanes digits = (block[i] > '0' - 1) & (block[i] <= '9');
        sql_lanes blanks = (block[i] == ' ') | (block[i] == '\n');
        out->digits = out->digits << 16 | sql_lanes_mask(digits);
        out->blanks = out->blanks << 16 | sql_lanes_mask(blanks);
    }
}

static inline void sql_punctuation_masks_by_lanes(const char *at, char closing, struct sql_punctuation_masks *out)
{
    sql_lanes block[4];
    sql_load_lanes(at, block);
    out->quotes = sql_lanes_equal(block, '\'');
    out->opens = sql_lanes_equal(block, closing == ')' ? '(' : '[');
    out->closes = sql_lanes_equal(block, closing);
    out->dots = sql_lanes_equal(block, '.');
    out->minuses = sql_lanes_equal(block, '-');
}

/* ---- AVX2 ---- */

#if defined(__x86_64__)
#define SQL_HAS_AVX2 1
#define SQL_AVX2     __attribute__((target("avx2,bmi,popcnt,pclmul")))

#include <immintrin.h>

static inline int sql_can_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt") &&
           __builtin_cpu_supports("pclmul");
}

/* What bytes are compared with, ready in memory. */
enum sql_needle {
    SQL_ZERO,
    SQL_NINE,
    SQL_COMMA,
    SQL_SPACE,
    SQL_NEWLINE,
    SQL_QUOTE,
    SQL_OPEN,
    SQL_CLOSE,
    SQL_OPEN_BRACKET,
    SQL_CLOSE_BRACKET,
    SQL_DOT,
    SQL_MINUS
};

static inline const __m256i *sql_avx2_needles(void)
{
#define SQL_REPEAT_8(c) (c), (c), (c), (c), (c), (c), (c), (c)
#define SQL_REPEAT_32(c)                                                   \
    {                                                                      \
        SQL_REPEAT_8(c), SQL_REPEAT_8(c), SQL_REPEAT_8(c), SQL_REPEAT_8(c) \
    }
    static const char needles[][32] __attribute__((aligned(32))) = {
        [SQL_ZERO] = SQL_REPEAT_32('0' - 1),      [SQL_NINE] = SQL_REPEAT_32('9'),     [SQL_COMMA] = SQL_REPEAT_32(','),
        [SQL_SPACE] = SQL_REPEAT_32(' '),         [SQL_NEWLINE] = SQL_REPEAT_32('\n'), [SQL_QUOTE] = SQL_REPEAT_32('\''),
        [SQL_OPEN] = SQL_REPEAT_32('('),          [SQL_CLOSE] = SQL_REPEAT_32(')'),    [SQL_OPEN_BRACKET] = SQL_REPEAT_32('['),
        [SQL_CLOSE_BRACKET] = SQL_REPEAT_32(']'), [SQL_DOT] = SQL_REPEAT_32('.'),      [SQL_MINUS] = SQL_REPEAT_32('-')};
#undef SQL_REPEAT_32
#undef SQL_REPEAT_8
    const void *hidden = needles;
    __asm__("" : "+r"(hidden)); /* else gcc makes each anew for each block, of three instructions */
    return (const __m256i *)hidden;
}

SQL_AVX2 static inline uint64_t sql_avx2_mask(__m256i low, __m256i high)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 | (uint32_t)_mm256_movemask_epi8(low);
}

SQL_AVX2 static inline uint64_t sql_avx2_equal(__m256i low, __m256i high, const __m256i *needle)
{
    return sql_avx2_mask(_mm256_cmpeq_epi8(low, *needle), _mm256_cmpeq_epi8(high, *needle));
}

SQL_AVX2 static inline __m256i sql_avx2_digits(__m256i bytes, const __m256i *needles)
{
    return _mm256_andnot_si256(_mm256_cmpgt_epi8(bytes, needles[SQL_NINE]), _mm256_cmpgt_epi8(bytes, needles[SQL_ZERO]));
}

SQL_AVX2 static inline __m256i sql_avx2_blanks(__m256i bytes, const __m256i *needles)
{
    return _mm256_or_si256(_mm256_cmpeq_epi8(bytes, needles[SQL_SPACE]), _mm256_cmpeq_epi8(bytes, needles[SQL_NEWLINE]));
}

SQL_AVX2 static inline void sql_integer_masks_by_avx2(const char *at, const __m256i *needles, struct sql_integer_masks *out)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));
    out->digits = sql_avx2_mask(sql_avx2_digits(low, needles), sql_avx2_digits(high, needles));
    out->commas = sql_avx2_equal(low, high, &needles[SQL_COMMA]);
    out->blanks = sql_avx2_mask(sql_avx2_blanks(low, needles), sql_avx2_blanks(high, needles));
}

SQL_AVX2 static inline void sql_punctuation_masks_by_avx2(const char *at, const __m256i *needles, char closing,
                                                          struct sql_punctuation_masks *out)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));
    const __m256i *pair = &needles[closing == ')' ? SQL_OPEN : SQL_OPEN_BRACKET];
    out->quotes = sql_avx2_equal(low, high, &needles[SQL_QUOTE]);
    out->opens = sql_avx2_equal(low, high, pair);
    out->closes = sql_avx2_equal(low, high, pair + 1);
    out->dots = sql_avx2_equal(low, high, &needles[SQL_DOT]);
    out->minuses = sql_avx2_equal(low, high, &needles[SQL_MINUS]);
}

/* Each bit becomes the sum, without carry, of itself and those below. */
SQL_AVX2 static inline uint64_t sql_avx2_parity(uint64_t mask)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)mask), _mm_set1_epi8(-1), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}
#endif

#endif
