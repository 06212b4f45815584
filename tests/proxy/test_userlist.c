#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/error.h"
#include "proxy/userlist.h"

#define SCRAM_TEXT                                                                              \
    "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:" \
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define MD5_TEXT "md50123456789abcdef0123456789abcdef"

static char path[] = "/tmp/test_userlist_XXXXXX";

static void setup(void)
{
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void teardown(void)
{
    unlink(path);
}

TestSuite(userlist, .init = setup, .fini = teardown);

static void write_bytes(const char *text, size_t size)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, size, file), size);
    fclose(file);
}

struct first_problem {
    const char *path;
    struct error *error;
    bool is_told;
};

static void keep_first_problem(void *context, unsigned line, const char *text)
{
    struct first_problem *first = context;
    if (first->is_told) return;
    first->is_told = true;
    if (line > 0)
        error_set(first->error, NULL, "%s:%u: %s", first->path, line, text);
    else
        error_set(first->error, NULL, "%s: %s", first->path, text);
}

/* NULL with the first problem. */
static struct userlist *read_list(const char *from, struct error *error)
{
    struct first_problem first = {.path = from, .error = error};
    return userlist_read(from, keep_first_problem, &first);
}

static struct userlist *load(const char *text)
{
    struct error error = {.text = ""};
    write_bytes(text, strlen(text));
    struct userlist *list = read_list(path, &error);
    cr_assert_not_null(list, "%s", error.text);
    return list;
}

static void expect_user(struct userlist *list, const char *name, const char *secret, enum password_kind kind)
{
    struct userlist_user *user = userlist_find(list, name);
    cr_assert_not_null(user, "%s", name);
    cr_expect_str_eq(user->name, name);
    cr_expect_str_eq(user->secret, secret);
    cr_expect_eq(user->kind, kind);
    cr_expect_not(user->is_deriving);
}

Test(userlist, no_path_is_an_empty_list)
{
    struct error error;
    struct userlist *list = read_list("", &error);
    cr_assert_not_null(list);
    cr_assert_eq(userlist_count(list), 0);
    cr_assert_null(userlist_find(list, "alice"));
    userlist_free(&list);
    cr_assert_null(list);
    userlist_free(&list);
}

Test(userlist, all_that_the_format_allows)
{
    struct userlist *list = load("; a comment\n"
                                 "# another\n"
                                 "\n"
                                 "   \t\n"
                                 "\"alice\" \"wonderland\"\n"
                                 "  \"bob\"\t\"two words ; # \" \"ignored\" and this\r\n"
                                 "\"say \"\"hi\"\"\" \"a\"\"b\"\n"
                                 "\"nobody\" \"\"\n"
                                 "\"carol\" \"" MD5_TEXT "\"\n"
                                 "\"dave\" \"" SCRAM_TEXT "\"\n"
                                 "\"j\xc3\xbcrgen\" \"p\xc3\xa4ss\"");
    cr_assert_eq(userlist_count(list), 7);
    expect_user(list, "alice", "wonderland", PASSWORD_PLAIN);
    expect_user(list, "bob", "two words ; # ", PASSWORD_PLAIN);
    expect_user(list, "say \"hi\"", "a\"b", PASSWORD_PLAIN);
    expect_user(list, "nobody", "", PASSWORD_PLAIN);
    expect_user(list, "carol", MD5_TEXT, PASSWORD_MD5);
    expect_user(list, "dave", SCRAM_TEXT, PASSWORD_SCRAM);
    expect_user(list, "j\xc3\xbcrgen", "p\xc3\xa4ss", PASSWORD_PLAIN);
    cr_assert_null(userlist_find(list, "Alice"));
    cr_assert_null(userlist_find(list, ""));
    userlist_free(&list);
}

Test(userlist, scram_secrets_are_parsed_at_load)
{
    struct userlist *list = load("\"dave\" \"" SCRAM_TEXT "\"\n\"alice\" \"x\"\n");
    const struct userlist_user *dave = userlist_find(list, "dave");
    cr_assert(dave->has_scram);
    cr_assert_eq(dave->scram.iterations, 4096);
    cr_assert_eq(dave->scram.salt_size, 16);
    cr_assert_eq(dave->scram.stored_key[31], 31);
    cr_assert_not(userlist_find(list, "alice")->has_scram);
    userlist_free(&list);
}

Test(userlist, the_same_line_twice_does_no_harm)
{
    struct userlist *list = load("\"alice\" \"a\"\n\"alice\" \"a\"\n");
    cr_assert_eq(userlist_count(list), 1);
    userlist_free(&list);
}

static char told[2000];

static void tell(void *context, unsigned line, const char *text)
{
    size_t size = strlen(told);
    (void)context;
    snprintf(told + size, sizeof told - size, "%u: %s\n", line, text);
}

/* Every problem of the file with its line, and never a secret. */
static const char *problems_of(const char *text, size_t size)
{
    write_bytes(text, size);
    told[0] = '\0';
    cr_assert_null(userlist_read(path, tell, NULL));
    cr_assert_null(strstr(told, "hush"), "%s", told);
    return told;
}

Test(userlist, every_problem_is_told_with_its_line)
{
    static const char file[] = "\"alice\" \"hush1\"\n"
                               "bob \"hush2\"\n"
                               "\"carol hush3\n"
                               "\"dave\" hush4\n"
                               "\"erin\" \"hush5\n"
                               "\"alice\" \"hush6\"\n"
                               "\"frank\" \"SCRAM-SHA-256$4096:hush7\"\n"
                               "\"\" \"hush8\"\n"
                               "\"grace\"\n"
                               "\"0123456789012345678901234567890123456789012345678901234567890123\" \"hush9\"\n"
                               "\"henry\" \"hush10\"\n";
    cr_assert_str_eq(
        problems_of(file, sizeof file - 1),
        "2: the name in double quotes is missing: write \"user\" \"secret\"\n"
        "3: the name in double quotes is missing: write \"user\" \"secret\"\n"
        "4: the secret in double quotes is missing: write \"user\" \"secret\"\n"
        "5: the secret in double quotes is missing: write \"user\" \"secret\"\n"
        "6: user \"alice\" has another secret on line 1: keep one\n"
        "7: the secret of \"frank\" begins like a SCRAM secret but is none: copy rolpassword from pg_authid once more\n"
        "8: the name is empty\n"
        "9: the secret in double quotes is missing: write \"user\" \"secret\"\n"
        "10: user \"0123456789012345678901234567890123456789012345678901234567890123\" is longer than the 63 bytes that PostgreSQL "
        "keeps of a name\n");
}

Test(userlist, odd_files_are_refused)
{
    static char long_secret[3000];
    struct error error;
    cr_assert_not_null(strstr(problems_of("\"a\" \"b\0c\"\n", 10), "zero byte"));

    memset(long_secret, 's', sizeof long_secret);
    memcpy(long_secret, "\"a\" \"", 5);
    memcpy(long_secret + sizeof long_secret - 2, "\"\n", 2);
    cr_assert_not_null(strstr(problems_of(long_secret, sizeof long_secret), "the secret of \"a\" is longer than 2048 bytes"));

    cr_assert_null(read_list("/nonexistent/userlist.txt", &error));
    cr_assert_str_eq(error.text, "/nonexistent/userlist.txt: auth_file cannot be opened: No such file or directory");
    cr_assert_null(read_list("/tmp", &error));
    cr_assert_str_eq(error.text, "/tmp: cannot be read: Is a directory");
}

Test(userlist, load_tells_the_first_problem)
{
    char expected[200];
    struct error error;
    write_bytes("\n\"a\n\"b\n", 7);
    cr_assert_null(read_list(path, &error));
    snprintf(expected, sizeof expected, "%s:2: the name in double quotes is missing: write \"user\" \"secret\"", path);
    cr_assert_str_eq(error.text, expected);
    cr_assert_str_eq(error.sqlstate, "");
}

Test(userlist, derived_secrets_are_inherited_while_the_plain_one_stays)
{
    struct userlist *old = load("\"same\" \"a\"\n\"changed\" \"b\"\n\"gone\" \"c\"\n\"underived\" \"d\"\n\"scram\" \"x\"\n");
    static const char *const derived[] = {"same", "changed", "gone", "scram"};
    for (size_t i = 0; i < 4; i++) {
        struct userlist_user *user = userlist_find(old, derived[i]);
        user->has_scram = true;
        user->scram.iterations = 77;
    }
    userlist_find(old, "underived")->is_deriving = true;

    struct userlist *list = load("\"same\" \"a\"\n\"changed\" \"B\"\n\"underived\" \"d\"\n\"new\" \"e\"\n\"scram\" \"" SCRAM_TEXT "\"\n");
    userlist_inherit(list, old);
    userlist_free(&old);
    cr_assert(userlist_find(list, "same")->has_scram);
    cr_assert_eq(userlist_find(list, "same")->scram.iterations, 77);
    cr_assert_not(userlist_find(list, "changed")->has_scram);
    cr_assert_not(userlist_find(list, "underived")->has_scram);
    cr_assert_not(userlist_find(list, "underived")->is_deriving);
    cr_assert_not(userlist_find(list, "new")->has_scram);
    cr_assert_eq(userlist_find(list, "scram")->scram.iterations, 4096);
    userlist_free(&list);
}

Test(userlist, many_users)
{
    enum { COUNT = 5000 };
    FILE *file = fopen(path, "w");
    struct error error;
    char name[32];
    for (int i = 0; i < COUNT; i++) fprintf(file, "\"user%d\" \"secret%d\"\n", i, i);
    fclose(file);
    struct userlist *list = read_list(path, &error);
    cr_assert_eq(userlist_count(list), COUNT);
    for (int i = 0; i < COUNT; i += 7) {
        snprintf(name, sizeof name, "user%d", i);
        cr_assert_eq(atoi(userlist_find(list, name)->secret + strlen("secret")), i);
    }
    userlist_free(&list);
}

/* The left column of most lines is RFC 4013, section 3. */
Test(userlist, passwords_are_prepared_as_postgresql_does)
{
    static const struct {
        const char *what, *password, *prepared;
    } cases[] = {
        {"ASCII stays", "pencil", "pencil"},
        {"empty stays", "", ""},
        {"ASCII control characters stay",
         "a\x07"
         "b\x7f",
         "a\x07"
         "b\x7f"},
        {"soft hyphen mapped to nothing", "I\xc2\xadX", "IX"},
        {"case is kept",
         "\xc3\x9c"
         "BER",
         "\xc3\x9c"
         "BER"},
        {"output is NFKC", "\xc2\xaa", "a"},
        {"output is NFKC, two letters", "\xe2\x85\xa8", "IX"},
        {"composed", "u\xcc\x88", "\xc3\xbc"},
        {"no-break space becomes a space",
         "a\xc2\xa0"
         "b",
         "a b"},
        {"prohibited: taken as it is", "\xc2\x80x", "\xc2\x80x"},
        {"wrong direction: taken as it is",
         "\xd8\xa7"
         "1",
         "\xd8\xa7"
         "1"},
        {"unassigned in Unicode 3.2: taken as it is", "\xf0\x9f\x90\x98", "\xf0\x9f\x90\x98"},
        {"no UTF-8: taken as it is", "\xff\xfe", "\xff\xfe"},
        {"cut UTF-8: taken as it is", "x\xe2\x82", "x\xe2\x82"},
        {"nothing left: taken as it is", "\xc2\xad", "\xc2\xad"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *prepared = userlist_prepare_password(cases[i].password);
        cr_expect_str_eq(prepared, cases[i].prepared, "%s", cases[i].what);
        userlist_wipe(&prepared);
        cr_expect_null(prepared);
        userlist_wipe(&prepared);
    }
}
