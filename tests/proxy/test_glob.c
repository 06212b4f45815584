#include "proxy/glob.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
    const char *pattern, *text;
    bool fits;
} cases[] = {
    {"", "", true},
    {"", "a", false},
    {"a", "", false},
    {"a", "a", true},
    {"a", "A", false},
    {"ab", "a", false},
    {"a", "ab", false},
    {"*", "", true},
    {"*", "anything at all", true},
    {"**", "", true},
    {"***", "x", true},
    {"?", "", false},
    {"?", "a", true},
    {"?", "ab", false},
    {"?*", "", false},
    {"?*", "a", true},
    {"*?", "abc", true},
    {"*??", "a", false},
    {"web*", "web", true},
    {"web*", "web-7", true},
    {"web*", "we", false},
    {"web*", "a web", false},
    {"*web", "web", true},
    {"*web", "webweb", true},
    {"*web", "web2", false},
    {"*web*", "a web 2", true},
    {"a*b*c", "abc", true},
    {"a*b*c", "a1b2b3c", true},
    {"a*b*c", "acb", false},
    {"a*b?c", "a b b c", true},
    {"a*bc", "abcbcb", false},
    {"a*bc", "abcbcbc", true},
    {"/api/*", "/api/", true},
    {"/api/*/items", "/api/v1/users/2/items", true},
    {"[a-z]", "b", false},
    {"[a-z]", "[a-z]", true},
    {"a\\*b", "a*b", true},
    {"a\\*b", "axb", false},
    {"a\\?b", "a?b", true},
    {"a\\?b", "axb", false},
    {"a\\\\b", "a\\b", true},
    {"*\\*", "ab*", true},
    {"*\\*", "ab", false},
    {"DOMAIN\\user", "DOMAIN\\user", true},
    {"end\\", "end\\", true},
    {"stra?e",
     "stra\xc3\x9f"
     "e",
     true},
    {"?", "\xc3\x9f", true},
    {"??", "\xc3\x9f", false},
    {"*\xc3\x9f", "gro\xc3\x9f", true},
    {"?", "\xe2\x82\xac", true},
    {"?x",
     "\xff"
     "x",
     true},
    {"*a",
     "\x80\x80\x80"
     "a",
     true},
};

Test(glob, patterns)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(glob_matches(cases[i].pattern, cases[i].text, strlen(cases[i].text)), cases[i].fits, "%s with %s", cases[i].pattern,
                     cases[i].text);
}

/* The text has a size and no end of its own. */
Test(glob, nothing_behind_the_text_is_looked_at)
{
    cr_assert(glob_matches("a*c", "abcd", 3));
    cr_assert(glob_matches("abc", "abcd", 3));
    cr_assert_not(glob_matches("*d", "abcd", 3));
    cr_assert(glob_matches("ab?", "ab\xc3\x9f", 3));
    cr_assert(glob_matches("*", NULL, 0));
}

/* Every star on the way could give way: it has to end soon all the same. */
Test(glob, a_hard_case_takes_no_longer_than_the_product_of_the_sizes, .timeout = 20)
{
    static char pattern[256], text[100000];
    memset(text, 'a', sizeof text);
    for (size_t i = 0; i + 2 < sizeof pattern; i += 2) memcpy(pattern + i, "*a", 2);
    cr_assert(glob_matches(pattern, text, sizeof text));
    strcpy(pattern + 250, "*b");
    cr_assert_not(glob_matches(pattern, text, sizeof text));
}

/* Against the definition, which is slow. */
static bool fits(const char *pattern, const char *text)
{
    if (*pattern == '\0') return *text == '\0';
    if (*pattern == '*') return fits(pattern + 1, text) || (*text != '\0' && fits(pattern, text + 1));
    return *text != '\0' && (*pattern == '?' || *pattern == *text) && fits(pattern + 1, text + 1);
}

Test(glob, all_small_patterns_on_all_small_texts)
{
    static const char of_patterns[] = "ab*?", of_texts[] = "ab";
    char pattern[6], text[7];
    for (unsigned p = 0; p < 4 * 4 * 4 * 4 * 4; p++) {
        for (unsigned i = 0, rest = p; i < 5; i++, rest /= 4) pattern[i] = of_patterns[rest % 4];
        pattern[5] = '\0';
        for (unsigned size = 0; size <= 6; size++) {
            for (unsigned t = 0; t < 1u << size; t++) {
                for (unsigned i = 0; i < size; i++) text[i] = of_texts[t >> i & 1];
                text[size] = '\0';
                cr_assert_eq(glob_matches(pattern, text, size), fits(pattern, text), "%s with %s", pattern, text);
            }
        }
    }
}

Test(glob, kinds)
{
    cr_assert(glob_is_literal(""));
    cr_assert(glob_is_literal("a b"));
    cr_assert_not(glob_is_literal("a*"));
    cr_assert_not(glob_is_literal("?"));
    cr_assert_not(glob_is_literal("a\\*"));
    cr_assert(glob_is_anything("*"));
    cr_assert(glob_is_anything("**"));
    cr_assert_not(glob_is_anything(""));
    cr_assert_not(glob_is_anything("*?"));
}
