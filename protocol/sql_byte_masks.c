/* The tables for AVX2: which byte is of which class, and what may stand behind what. */
#include "protocol/sql_byte_masks.h"

#ifdef SQL_HAS_AVX2

enum {
    IS_DIGIT = 1,
    IS_QUOTE = 2,
    IS_COMMA = 4,
    IS_BLANK = 8,
    IS_OPEN = 16,
    IS_CLOSE = 32,
    IS_DOT = 64,
    IS_MINUS = 128,

    ARE_STARTS = IS_DIGIT | IS_QUOTE | IS_MINUS,
    ARE_ENDS = IS_COMMA | IS_CLOSE,
    ARE_SIGNS = IS_QUOTE | IS_COMMA | IS_BLANK | IS_OPEN | IS_DOT | IS_MINUS, /* from 0x20 to 0x2f, but for what closes */
};

#define TWICE(...)               \
    {                            \
        __VA_ARGS__, __VA_ARGS__ \
    }
#define EIGHT(c)     (c), (c), (c), (c), (c), (c), (c), (c)
#define ALL_OF(c)    TWICE(EIGHT(c), EIGHT(c))
#define BEFORE_QUOTE ('\'' - 1)

/* By the lower half: 0 to 9 are those of digits, and 0x20, 0x27 and so on those of signs. */
#define LOWER(nine, d)                                                                                                              \
    TWICE(IS_DIGIT | IS_BLANK, IS_DIGIT, IS_DIGIT, IS_DIGIT, IS_DIGIT, IS_DIGIT, IS_DIGIT, IS_DIGIT | IS_QUOTE, IS_DIGIT | IS_OPEN, \
          IS_DIGIT | (nine), 0, 0, IS_COMMA, IS_MINUS | (d), IS_DOT, 0)
#define UPPER(two, five) TWICE(0, 0, ARE_SIGNS | (two), IS_DIGIT, 0, (five), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

#define TABLES(lower_table, upper_table, closing)                                                                                          \
    {                                                                                                                                      \
        .lower = lower_table, .upper = upper_table,                                                                                        \
        .behind = TWICE(ARE_STARTS | IS_OPEN, IS_QUOTE | ARE_ENDS, ARE_STARTS | IS_BLANK, IS_COMMA, 0, 0, ARE_STARTS | IS_OPEN | IS_BLANK, \
                        IS_DIGIT, IS_DIGIT, 0, IS_DIGIT | IS_DOT | ARE_ENDS, 0, 0, 0, 0, 0),                                               \
        .half = ALL_OF(0x0f), .before_quote = ALL_OF(BEFORE_QUOTE), .digit = ALL_OF(10), .quote = ALL_OF('\''), .comma = ALL_OF(','),      \
        .open = ALL_OF('('), .close = ALL_OF(closing), .dot = ALL_OF('.'), .blank = ALL_OF(' '), .behind_nine = ALL_OF(INT8_MAX - '9'),    \
        .below_zero = ALL_OF(INT8_MAX - 10)                                                                                                \
    }

const struct sql_avx2_tables sql_avx2_tables[2] = {TABLES(LOWER(IS_CLOSE, 0), UPPER(IS_CLOSE, 0), ')'),
                                                   TABLES(LOWER(0, IS_CLOSE), UPPER(0, IS_CLOSE), ']')};

#endif
