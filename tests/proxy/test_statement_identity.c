#include "proxy/statement_identity.h"

#include <criterion/criterion.h>
#include <string.h>

#include "protocol/sql_lex.h"
#include "tests/random_numbers.h"

/* Written behind exactly as many bytes as it may use, in heap blocks without a NUL, so that AddressSanitizer sees every byte too many. */
static char *identity_of(const char *text)
{
    size_t size = strlen(text);
    char *exact = malloc(size + (size == 0)), *out = malloc(size + (size == 0));
    memcpy(exact, text, size);
    size_t written = statement_identity_write(exact, size, out);
    cr_assert_leq(written, size);
    if (!statement_identity_may_differ(exact, size)) cr_assert(written == size && memcmp(exact, out, size) == 0, "%s", text);
    char *identity = strndup(out, written);
    free(exact);
    free(out);
    return identity;
}

struct sample {
    const char *text;
    const char *identity; /* NULL: the text */
};

static void expect(const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *wanted = samples[i].identity ? samples[i].identity : samples[i].text;
        char *identity = identity_of(samples[i].text);
        cr_expect_str_eq(identity, wanted, "%s\n  gives %s\n  not   %s", samples[i].text, identity, wanted);
        char *again = identity_of(identity);
        cr_expect_str_eq(again, identity, "not stable: %s", identity);
        free(again);
        free(identity);
    }
}

#define EXPECT(...)                                           \
    do {                                                      \
        static const struct sample samples[] = {__VA_ARGS__}; \
        expect(samples, sizeof samples / sizeof samples[0]);  \
    } while (0)

Test(statement_identity, leaves_comments_out)
{
    EXPECT({"select 1", NULL}, {"", NULL}, {"   ", NULL}, {"select 1 /* x */", "select 1"}, {"/* x */ select 1", "select 1"},
           {"/*x*/select 1/*y*/", "select 1"}, {"  /* x */  select 1  /* y */  ", "select 1"}, {"select /* x */ 1", "select 1"},
           {"select/**/1", "select 1"}, {"select /*a*/ /*b*/\n\t/*c*/ 1", "select 1"}, {"select 1 -- x", "select 1"},
           {"select 1 -- x\n", "select 1"}, {"-- x\nselect 1", "select 1"}, {"select -- x\n1", "select 1"}, {"select -- x\r1", "select 1"},
           {"select --\n1", "select 1"}, {"select 1;--", "select 1;"}, {"/* only */", ""}, {"-- only", ""}, {"--", ""},
           {"select 1 /*traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'*/", "select 1"},
           {"select 1;\n/* a */ select 2 /* b */", "select 1; select 2"});
}

Test(statement_identity, comments_nest)
{
    EXPECT({"select 1 /* a /* b */ c */ + 2", "select 1 + 2"}, {"select /* /* */ */ 1", "select 1"}, {"select /*/**/*/ 1", "select 1"},
           {"select /***/ 1", "select 1"}, {"select /****/ 1", "select 1"}, {"select /*/ */ 1", "select 1"},
           {"select /* -- */ 1", "select 1"}, {"select -- /*\n1 /* ' */", "select 1"}, {"select 1 /* $$ \" ' */, 2", "select 1 , 2"});
}

Test(statement_identity, white_space_elsewhere_stays)
{
    EXPECT({" select  1 ", NULL}, {"select\n1", NULL}, {" select  1  +/*x*/2 ", " select  1  + 2 "}, {"select  1/*x*/", "select  1"},
           {"select 1 -/*x*/- 2", "select 1 - - 2"}, {"select a-b, '2020--01', c", NULL}, {"select 1\v-- x", NULL});
}

Test(statement_identity, hints_stay)
{
    EXPECT({"/*+ SeqScan(t) */ select 1", NULL}, {"select /*+ x */ 1", NULL}, {"select/*+x*/1", NULL},
           {"/* a */ /*+ x */ /* b */ select 1", "/*+ x */ select 1"}, {"/*+ a /* b */ c */ select /*d*/ 1", "/*+ a /* b */ c */ select 1"},
           {"/* /*+ x */ */ select 1", "select 1"}, {"select 1 /*+*/", NULL}, {"--+ x\nselect 1", "select 1"},
           {"/* + x */ select 1", "select 1"}, {"select 1 /*x*/ /*+ y */", "select 1 /*+ y */"});
}

Test(statement_identity, what_only_looks_like_a_comment_stays)
{
    EXPECT({"select '/* x */'", NULL}, {"select '-- x', 1", NULL}, {"select \"/* x */\", \"--\"", NULL}, {"select 'a''/*x*/'", NULL},
           {"select \"a\"\"/*x*/\"", NULL}, {"select $$/* x */$$", NULL}, {"select $a$ -- $$ /* $b$ $a$", NULL},
           {"select E'\\'/* x */'", NULL}, {"select e'\\\\'/* x */", "select e'\\\\'"}, {"select U&'/*x*/' /*y*/", "select U&'/*x*/'"},
           {"select U&\"--\" --", "select U&\"--\""}, {"select B'/**/', X'--' /*y*/", "select B'/**/', X'--'"},
           {"select N'--' --", "select N'--'"}, {"select a$$b /* x */ , c$$d", "select a$$b , c$$d"},
           {"select $1/* x */, $1$$--$$", "select $1 , $1$$--$$"}, {"select namee'/*x*/' /*y*/", "select namee'/*x*/'"},
           {"select \xc3\xa9$$/*x*/, 1", "select \xc3\xa9$$ , 1"}, {"select 1 */*x*/ 2", "select 1 * 2"},
           {"select 1 @-/*x*/ 2", "select 1 @- 2"}, {"select 1 +--x\n 2", "select 1 + 2"}, {"select E'a'\n'\\'/*x*/'", NULL});
}

/* A newline between two string constants joins them; a comment that does not end like a line must not become one that does, nor the other way round. */
Test(statement_identity, strings_that_a_newline_joins)
{
    EXPECT({"select 'a'\n'b'", NULL}, {"select 'a' -- x\n 'b'", NULL}, {"select 'a' /*x*/\n 'b'", "select 'a' 'b'"},
           {"select 'a'\n/*x*/ 'b'", "select 'a' 'b'"}, {"select E'a' -- x\n '\\'' /*y*/", "select E'a' -- x\n '\\''"},
           {"select E'a' /*x*/\n '/*y*/'", "select E'a' '/*y*/'"}, {"select 'a' -- x\n , 'b'", "select 'a' , 'b'"});
}

Test(statement_identity, what_is_uncertain_stays)
{
    EXPECT(/* Where these strings end depends on standard_conforming_strings. */
           {"select '\\' /* x */ '", NULL}, {"select '\\'' /* x */", NULL}, {"select 1 /* x */, 'C:\\'", NULL},
           {"select N'\\' /* x */ '", NULL},
           /* This one ends in the same place either way. */
           {"select '\\d+' /* x */", "select '\\d+'"},
           /* Errors. */
           {"select 1 /* x", NULL}, {"select 1 /* x */ /* y", NULL}, {"/* /* */ select 1", NULL}, {"select /*x*/ 'a", NULL},
           {"select /*x*/ \"a", NULL}, {"select /*x*/ $a$ $b$", NULL}, {"select 1 /*", NULL}, {"select /*x*/ \v 1", NULL});
}

/* ---- any text: the tokens are the same ---- */

/* The next token that is no comment other than a hint. */
static bool next_kept(struct sql_lex *lex, struct sql_token_span *token)
{
    while (sql_lex_next(lex, token)) {
        if (token->kind == SQL_LINE_COMMENT) continue;
        if (token->kind == SQL_BLOCK_COMMENT && !token->is_unterminated && lex->text[token->start + 2] != '+') continue;
        return true;
    }
    return false;
}

static void expect_same_tokens(const char *text, const char *identity, enum sql_strings strings)
{
    struct sql_lex left, right;
    struct sql_token_span a, b;
    sql_lex_init(&left, text, strlen(text), strings);
    sql_lex_init(&right, identity, strlen(identity), strings);
    for (;;) {
        bool has_left = next_kept(&left, &a), has_right = next_kept(&right, &b);
        cr_assert_eq(has_left, has_right, "%s\n%s", text, identity);
        if (!has_left) return;
        cr_assert_eq(a.kind, b.kind, "%s\n%s", text, identity);
        cr_assert_eq(a.end - a.start, b.end - b.start, "%s\n%s", text, identity);
        cr_assert_eq(memcmp(text + a.start, identity + b.start, a.end - a.start), 0, "%s\n%s", text, identity);
    }
}

Test(statement_identity, random_texts_keep_their_tokens)
{
    static const char *const parts[] = {"'",   "''", "\"", "$$", "$a$", "$1",  "E'", "e",  "U&", "B'",  "/*", "*/",
                                        "/*+", "--", "\n", "\r", " ",   "\t",  "\\", "*",  "/",  "-",   "+",  "@",
                                        "ab",  "1",  ".",  ",",  "'a'", "'b'", "\f", "N'", "\v", "/**/"};
    uint64_t state = 88172645463325252;
    int stripped = 0;
    for (int round = 0; round < 200000; round++) {
        char text[256] = "";
        for (uint64_t left = random_numbers_next(&state) % 16; left > 0; left--)
            strcat(text, parts[random_numbers_next(&state) % (sizeof parts / sizeof parts[0])]);
        char *identity = identity_of(text);
        stripped += strcmp(text, identity) != 0;
        expect_same_tokens(text, identity, SQL_STRINGS_STANDARD);
        expect_same_tokens(text, identity, SQL_STRINGS_BACKSLASH);
        char *again = identity_of(identity);
        cr_assert_str_eq(again, identity);
        free(again);
        free(identity);
    }
    cr_expect_gt(stripped, 10000);
}
