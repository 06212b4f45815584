/* protocol/sql_lex.h. Beside PostgreSQL's own scanner it is held by test_sql_lex_reference.c. */
#include "protocol/sql_lex.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const samples[] = {
#define X(text) text,
#include "tests/protocol/sql_samples.def"
#undef X
};

enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0], RENDERED_SIZE = 4096 };

/* A letter a kind, in the order of sql_tokens.def. */
static char letter_of(enum sql_token kind)
{
    static const char letters[] = ".wqQseudbxinpocTD:>lg!-*?";
    return letters[kind];
}

/* "w[SELECT] i[1]"; ^ marks what is unterminated. */
static void render(const char *text, enum sql_strings strings, char out[RENDERED_SIZE])
{
    struct sql_lex lex;
    struct sql_token_span token;
    size_t size = 0;
    out[0] = '\0';
    sql_lex_init(&lex, text, strlen(text), strings);
    while (sql_lex_next(&lex, &token)) {
        int written = snprintf(out + size, RENDERED_SIZE - size, "%s%c%s[%.*s]", size > 0 ? " " : "", letter_of(token.kind),
                               token.is_unterminated ? "^" : "", (int)(token.end - token.start), text + token.start);
        cr_assert(written > 0 && (size_t)written < RENDERED_SIZE - size);
        size += (size_t)written;
    }
}

static void check(const char *text, enum sql_strings strings, const char *expected)
{
    char rendered[RENDERED_SIZE];
    render(text, strings, rendered);
    cr_assert_str_eq(rendered, expected, "%s\n is %s\n not %s", text, rendered, expected);
}

Test(sql_lex, tokens)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {" \t\n\r\f\v", ""},
        /* words */
        {"select Name from _x1$ where \xc3\xa9t\xc3\xa9=$1", "w[select] w[Name] w[from] w[_x1$] w[where] w[\xc3\xa9t\xc3\xa9] c[=] p[$1]"},
        {"col$tag$ a$1", "w[col$tag$] w[a$1]"},
        {"b e n u x B E N U X be x1", "w[b] w[e] w[n] w[u] w[x] w[B] w[E] w[N] w[U] w[X] w[be] w[x1]"},
        {"a.b a . b a..b", "w[a] c[.] w[b] w[a] c[.] w[b] w[a] D[..] w[b]"},
        /* quoted identifiers */
        {"\"a\"\"b\" \"\" \"a'b\" \"x\ny\"", "q[\"a\"\"b\"] q[\"\"] q[\"a'b\"] q[\"x\ny\"]"},
        {"U&\"a\"\"b\" u&\"x\" uescape '!'", "Q[U&\"a\"\"b\"] Q[u&\"x\"] w[uescape] s['!']"},
        {"u & \"b\" u&b xU&\"b\"", "w[u] o[&] q[\"b\"] w[u] o[&] w[b] w[xU] o[&] q[\"b\"]"},
        {"\"abc", "q^[\"abc]"},
        {"\"a\"\"", "q^[\"a\"\"]"},
        {"u&\"", "Q^[u&\"]"},
        /* strings */
        {"'a''b' '' '''' 'x", "s['a''b'] s[''] s[''''] s^['x]"},
        {"'a\\' 'b\\'' c'", "s['a\\'] s['b\\'' c']"},
        {"E'a\\'b' e'\\\\' e'\\", "e[E'a\\'b'] e[e'\\\\'] e^[e'\\]"},
        {"E'\\x41\\'\\101''\\u0041'", "e[E'\\x41\\'\\101''\\u0041']"},
        {"U&'d\\0061' u&'\\\\'' x'", "u[U&'d\\0061'] u[u&'\\\\'' x']"},
        {"N'x' n'a''b' nb'1'", "s[N'x'] s[n'a''b'] w[nb] s['1']"},
        {"B'10' b'' b'1''0' x'1F'''", "b[B'10'] b[b''] b[b'1'] s['0'] x[x'1F'] s['']"},
        {"'a'\n'b' 'a' 'b'", "s['a'\n'b'] s['a'] s['b']"},
        {"'a' \t\r\n\f 'b''c'\n'd'", "s['a' \t\r\n\f 'b''c'\n'd']"},
        {"'a'\r'b'", "s['a'\r'b']"},
        {"'a'--x\n'b'", "s['a'--x\n'b']"},
        {"'a'\n--x\n--\r \n'b'", "s['a'\n--x\n--\r \n'b']"},
        {"'a'--x\n", "s['a'] -[--x]"},
        {"'a'\n- 'b' 'a'\n/**/'b'", "s['a'] c[-] s['b'] s['a'] *[/**/] s['b']"},
        {"'a'\n--'b'", "s['a'] -[--'b']"},
        {"'a'\nE'b' E'a'\n'\\'' b'1'\n'0'", "s['a'] e[E'b'] e[E'a'\n'\\''] b[b'1'\n'0']"},
        {"b'1'\n'0''1'", "b[b'1'\n'0'] s['1']"},
        {"'a'\n''", "s['a'\n'']"},
        {"'a'\n'''", "s^['a'\n''']"},
        {"'a'\n'b", "s^['a'\n'b]"},
        /* dollar quotes */
        {"$$a'b--c$$ $q$ $$ $q$", "d[$$a'b--c$$] d[$q$ $$ $q$]"},
        {"$a$ $aa$ $ $1 $b$a$", "d[$a$ $aa$ $ $1 $b$a$]"},
        {"$a$x$A$y$a$", "d[$a$x$A$y$a$]"},
        {"$\xc3\xa9_1$ $e$ $\xc3\xa9_1$", "d[$\xc3\xa9_1$ $e$ $\xc3\xa9_1$]"},
        {"$$$$ $$$ $$", "d[$$$$] d[$$$ $$]"},
        {"$a$ $b$", "d^[$a$ $b$]"},
        {"$a$ $a", "d^[$a$ $a]"},
        {"$$", "d^[$$]"},
        {"$tag $ $", "?[$] w[tag] ?[$] ?[$]"},
        {"$1 $12$a$x$a$ $1a $1$", "p[$1] p[$12] d[$a$x$a$] p[$1] w[a] p[$1] ?[$]"},
        {"1$a$x$a$ 'y'$a$x$a$", "i[1] d[$a$x$a$] s['y'] d[$a$x$a$]"},
        /* comments */
        {"/* a /* b */ c */ /**/ /***/ /*/ */", "*[/* a /* b */ c */] *[/**/] *[/***/] *[/*/ */]"},
        {"/* /* */ x", "*^[/* /* */ x]"},
        {"/*", "*^[/*]"},
        {"/*/", "*^[/*/]"},
        {"1--c\n+2", "i[1] -[--c] c[+] i[2]"},
        {"1 -- c\r+2 --", "i[1] -[-- c] c[+] i[2] -[--]"},
        {"/*+ Hint(t) */ '--' \"/*\"", "*[/*+ Hint(t) */] s['--'] q[\"/*\"]"},
        {"* / *", "c[*] c[/] c[*]"},
        /* numbers */
        {"1 42. .5 1.5 007 1e10 1.5E-3 .5e+3 42.e1", "i[1] n[42.] n[.5] n[1.5] i[007] n[1e10] n[1.5E-3] n[.5e+3] n[42.e1]"},
        {"1..2 1... 1...2 ..2 1.2.3", "i[1] D[..] i[2] i[1] D[..] c[.] i[1] D[..] n[.2] D[..] i[2] n[1.2] n[.3]"},
        {"1e 1e+ 1e-x 1.e 1.a", "i[1] w[e] i[1] w[e] c[+] i[1] w[e] c[-] w[x] n[1.] w[e] n[1.] w[a]"},
        {"0x1F 0Xa_b 0o17 0b101 0x_1", "i[0x1F] i[0Xa_b] i[0o17] i[0b101] i[0x_1]"},
        {"0x 0xg 0o8 0b2 0x_ 0b'1'", "i[0] w[x] i[0] w[xg] i[0] w[o8] i[0] w[b2] i[0] w[x_] i[0] b[b'1']"},
        {"1_000 1_000.5_1e1_0 1_ 1__0 1._5 1e_5", "i[1_000] n[1_000.5_1e1_0] i[1] w[_] i[1] w[__0] n[1.] w[_5] i[1] w[e_5]"},
        {"a.1 x[1:2] x[1::int]", "w[a] n[.1] w[x] c[[] i[1] c[:] i[2] c[]] w[x] c[[] i[1] T[::] w[int] c[]]"},
        {"99999999999999999999", "i[99999999999999999999]"},
        /* operators */
        {"a<=b>=c<>d!=e=>f:=g::h", "w[a] l[<=] w[b] g[>=] w[c] ![<>] w[d] ![!=] w[e] >[=>] w[f] :[:=] w[g] T[::] w[h]"},
        {":: : ::: ::=", "T[::] c[:] T[::] c[:] T[::] c[=]"},
        {"=-1 =+-1 <- <-> @- @-+", "c[=] c[-] i[1] c[=] c[+] c[-] i[1] c[<] c[-] o[<->] o[@-] o[@-+]"},
        {"=@- @=- ?- ~+ %- ^- `-", "o[=@-] o[@=-] o[?-] o[~+] o[%-] o[^-] o[`-]"},
        {"+-+- -+ *- /+ <>- =>-", "c[+] c[-] c[+] c[-] c[-] c[+] c[*] c[-] c[/] c[+] ![<>] c[-] >[=>] c[-]"},
        {"? ?| @? -> ->> #>> && || !! |/ ||/ !~~*", "o[?] o[?|] o[@?] o[->] o[->>] o[#>>] o[&&] o[||] o[!!] o[|/] o[||/] o[!~~*]"},
        {"% ^ ~ ! @ # & | `", "c[%] c[^] o[~] o[!] o[@] o[#] o[&] o[|] o[`]"},
        {"+/*x*/ =--\n @/* */ *--", "c[+] *[/*x*/] c[=] -[--] o[@] *[/* */] c[*] -[--]"},
        {"=*/*x*/", "o[=*] *[/*x*/]"},
        {"<=/**/ <=+--", "l[<=] *[/**/] l[<=] c[+] -[--]"},
        {"( ) [ ] , ; . :", "c[(] c[)] c[[] c[]] c[,] c[;] c[.] c[:]"},
        {"a\\b {} \x01 \x7f", "w[a] ?[\\] w[b] ?[{] ?[}] ?[\x01] ?[\x7f]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check(cases[i].text, SQL_STRINGS_STANDARD, cases[i].expected);
}

Test(sql_lex, backslashes_in_plain_strings)
{
    check("'a\\'b' 'c'", SQL_STRINGS_BACKSLASH, "e['a\\'b'] e['c']");
    check("n'a\\'b' x'\\' b'\\'", SQL_STRINGS_BACKSLASH, "e[n'a\\'b'] x[x'\\'] b[b'\\']");
    check("'a'\n'\\'' 'a\\\\'", SQL_STRINGS_BACKSLASH, "e['a'\n'\\''] e['a\\\\']");
    check("\"a\\\" $$\\$$ 'b\\", SQL_STRINGS_BACKSLASH, "q[\"a\\\"] d[$$\\$$] e^['b\\]");
    check("'a\\'b' 'c'", SQL_STRINGS_STANDARD, "s['a\\'] b[b' '] w[c] s^[']");
}

Test(sql_lex, the_end_stays_the_end)
{
    struct sql_lex lex;
    struct sql_token_span token;
    sql_lex_init(&lex, "a  ", 3, SQL_STRINGS_STANDARD);
    cr_assert(sql_lex_next(&lex, &token));
    for (int i = 0; i < 3; i++) {
        cr_assert_not(sql_lex_next(&lex, &token));
        cr_assert(token.kind == SQL_END && token.start == 3 && token.end == 3 && !token.is_unterminated);
    }
    sql_lex_init(&lex, NULL, 0, SQL_STRINGS_STANDARD);
    cr_assert_not(sql_lex_next(&lex, &token));
}

static bool is_space(char byte)
{
    return byte != '\0' && strchr(" \t\n\r\f\v", byte) != NULL;
}

/* `size` bytes that end where the memory does. Returns the number of tokens. */
static size_t check_bounds(const char *text, size_t size, enum sql_strings strings)
{
    char *copy = malloc(size > 0 ? size : 1);
    struct sql_lex lex;
    struct sql_token_span token;
    size_t end = 0;
    size_t count = 0;
    memcpy(copy, text, size);
    sql_lex_init(&lex, copy, size, strings);
    while (sql_lex_next(&lex, &token)) {
        cr_assert(token.start >= end && token.end > token.start && token.end <= size);
        for (size_t i = end; i < token.start; i++) cr_assert(is_space(copy[i]));
        cr_assert(!token.is_unterminated || token.end == size);
        end = token.end;
        count++;
    }
    cr_assert(token.kind == SQL_END && token.start == size);
    for (size_t i = end; i < size; i++) cr_assert(is_space(copy[i]));
    free(copy);
    return count;
}

Test(sql_lex, every_truncation_stays_in_bounds)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t size = strlen(samples[i]);
        for (size_t cut = 0; cut <= size; cut++) {
            check_bounds(samples[i], cut, SQL_STRINGS_STANDARD);
            check_bounds(samples[i] + cut, size - cut, SQL_STRINGS_BACKSLASH);
        }
    }
}

Test(sql_lex, any_pair_of_bytes)
{
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            char text[] = {(char)first, (char)second, '\'', 'a', '\n', '\'', '$', '*', '/', '"'};
            for (size_t size = 1; size <= sizeof text; size++) check_bounds(text, size, SQL_STRINGS_STANDARD);
        }
    }
}

/* Were one of these quadratic, it would take hours. */
Test(sql_lex, long_runs_take_linear_time, .timeout = 60)
{
    static const char *const units[] = {"+",  "-+",    "=+",    "=-@", "'a'\n", "'a' --\n", "'a' \n--", "$a",    "$ab$b",   "$a$b",
                                        "/*", "/*/",   "*/",    "/",   "''",    "'\n",      "E'\\",     "\"\"a", "U&'a'\n", "0x_",
                                        "1_", "1e+",   "1..",   ".",   "b'",    "u&",       ":",        "\xff",  " ",       "\\",
                                        "x'", "@--\n", "+/**/", "<-",  "- -",   "+'a'\n",   "$a$ $a",   "1",     "--\r'",   "a$"};
    enum { SIZE = 2000000 };
    char *text = malloc(SIZE);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t unit = strlen(units[i]);
        for (size_t at = 0; at < SIZE; at++) text[at] = units[i][at % unit];
        check_bounds(text, SIZE, SQL_STRINGS_STANDARD);
    }
    free(text);
}

Test(sql_lex, encodings)
{
    static const char *const readable[] = {"UTF8",         "utf-8",         "Unicode",      "SQL_ASCII", "LATIN1", "latin 10",
                                           "ISO_8859_5",   "iso-8859-1",    "WIN1252",      "KOI8R",     "EUC_JP", "EUC_TW",
                                           "EUC_JIS_2004", "MULE_INTERNAL", "windows-1251", "KOI8U"};
    static const char *const opaque[] = {"SJIS",  "Shift_JIS", "shiftjis2004", "SHIFT_JIS_2004", "BIG5",    "GBK", "GB18030", "UHC",
                                         "JOHAB", "win949",    "Win_936",      "windows950",     "mskanji", "",    "utf",     "utf88",
                                         "utf16", "?",         "latin"};
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++) cr_assert(sql_lex_can_read(readable[i]), "%s", readable[i]);
    for (size_t i = 0; i < sizeof opaque / sizeof opaque[0]; i++) cr_assert_not(sql_lex_can_read(opaque[i]), "%s", opaque[i]);
}

Test(sql_lex, every_kind_has_a_name)
{
    for (enum sql_token kind = SQL_END; kind <= SQL_OTHER; kind++) cr_assert_str_neq(sql_token_name(kind), "?");
    cr_assert_str_eq(sql_token_name(SQL_QUOTED), "quoted identifier");
}
