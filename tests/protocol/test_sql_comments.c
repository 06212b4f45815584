/* protocol/sql_comments.h. The comment at the end is found from behind: compared here with what the scanner says, for mutated texts. */
#include "protocol/sql_comments.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const samples[] = {
#define X(text) text,
#include "tests/protocol/sql_samples.def"
#undef X
};

enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0] };

Test(sql_comments, the_quick_look)
{
    static const char *const without[] = {"", ";", "   ", "*/", "SELECT 1", "SELECT 1;  ", " SELECT '/*a=b*/'", "SELECT 1 /*a='b'*/, 2"};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
        cr_assert(!sql_comments_may_be_in(without[i], strlen(without[i])), "%s", without[i]);
    cr_assert(sql_comments_may_be_in("SELECT 1 /*a*/ ; ", 17));
    cr_assert(sql_comments_may_be_in(" /*a*/ SELECT 1", 15));
}

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    return random_numbers_below(&random_state, limit);
}

static void append_random_piece(char *text)
{
    static const char *const pieces[] = {"/*",  "*/", "/*", "*/", "/", "*", "'", "'",   "''", "\"",  "--", "-", "\n",  "\r",   "$$",
                                         "$a$", "E'", "\\", "+",  ";", " ", "a", "a=b", ",",  "U&'", "(",  ")", "/*+", "x='y'"};
    strcat(text, pieces[random_below(sizeof pieces / sizeof pieces[0])]);
}

struct last {
    bool is_whole; /* no token lacks its end, and no operator is spelled as the end of a comment: PostgreSQL may take it */
    bool has_comment;
    size_t start, end; /* of what is inside */
};

/* What the scanner says of the last tokens: semicolons and hints stepped over. */
static struct last last_by_scanner(const char *text, size_t size)
{
    struct sql_lex lex;
    struct sql_token_span token;
    struct last last = {.is_whole = true};
    int hints = 0;
    sql_lex_init(&lex, text, size, SQL_STRINGS_STANDARD);
    while (sql_lex_next(&lex, &token)) {
        bool is_hint = token.kind == SQL_BLOCK_COMMENT && token.end - token.start > 4 && text[token.start + 2] == '+';
        if (token.is_unterminated) last.is_whole = false;
        if (token.kind == SQL_OPERATOR && memmem(text + token.start, token.end - token.start, "*/", 2) != NULL) last.is_whole = false;
        if (token.kind == SQL_CHARACTER && text[token.start] == ';') continue;
        if (is_hint) {
            hints++;
            continue;
        }
        hints = 0;
        last.has_comment = token.kind == SQL_BLOCK_COMMENT;
        last.start = token.start + 2;
        last.end = token.end - 2;
    }
    if (hints > 3) last.has_comment = false;
    return last;
}

Test(sql_comments, the_last_comment_is_what_the_scanner_says, .timeout = 7000)
{
    const char *seed = getenv("PGTURNSTILE_SEED");
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 50000000 : 500000;
    size_t compared = 0;
    size_t found = 0;
    random_state = seed != NULL ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < wanted; i++) {
        char text[1000] = "";
        size_t start;
        size_t end;
        if (random_below(4) == 0) strcpy(text, samples[random_below(SAMPLE_COUNT)]);
        for (uint32_t j = random_below(14); j > 0; j--) append_random_piece(text);
        if (random_below(3) == 0) strcat(text, "/*a='x'*/");
        size_t size = strlen(text);
        struct last expected = last_by_scanner(text, size);
        bool is_found = sql_comments_last(text, size, SQL_STRINGS_STANDARD, &start, &end);
        if (!expected.is_whole) continue;
        cr_assert_eq(is_found, expected.has_comment, "%s", text);
        if (is_found) cr_assert(start == expected.start && end == expected.end, "%s: %zu %zu", text, start, end);
        compared++;
        found += is_found;
    }
    printf("%zu texts compared, %zu with a comment\n", compared, found);
    cr_assert_gt(compared, wanted / 5);
    cr_assert_gt(found, wanted / 20);
}
