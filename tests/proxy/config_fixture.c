#include "tests/proxy/config_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
char path[128];
char auth_path[128];
char told[1 << 16];

void config_fixture_begin(void)
{
    strcpy(directory, "/tmp/test_config_XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/c.ini", directory);
    snprintf(auth_path, sizeof auth_path, "%s/users.txt", directory);
}

void config_fixture_end(void)
{
    unlink(path);
    unlink(auth_path);
    rmdir(directory);
}

void write_file(const char *name, const char *text, size_t size)
{
    FILE *file = fopen(name, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, size, file), size);
    fclose(file);
    cr_assert_eq(chmod(name, 0600), 0);
}

static void tell(const struct config_problems *problems)
{
    char *to = told;
    *to = '\0';
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        if (strcmp(problem->file, path) != 0) to += sprintf(to, "%s:", strrchr(problem->file, '/') + 1);
        to += sprintf(to, "%u: %s%s\n", problem->line, problem->is_warning ? "warning: " : "", problem->text);
        cr_assert_lt((size_t)(to - told), sizeof told - 4096);
    }
}

struct config *load_file(void)
{
    struct config_problems problems;
    struct config *config = config_load(path, &problems);
    tell(&problems);
    config_problems_fini(&problems);
    cr_assert_eq(problems.count, 0);
    return config;
}

struct config *load_bytes(const char *text, size_t size)
{
    write_file(path, text, size);
    return load_file();
}

struct config *load(const char *text)
{
    struct config *config = load_bytes(text, strlen(text));
    cr_assert_not_null(config, "%s", told);
    cr_assert_str_eq(told, "", "%s", told);
    return config;
}

void expect_told(const char *text, bool is_refused, const char *expected)
{
    struct config *config = load_bytes(text, strlen(text));
    cr_expect_eq(config == NULL, is_refused, "%s", text);
    cr_expect_str_eq(told, expected, "for:\n%s\ntold:\n%s\nexpected:\n%s", text, told, expected);
    config_unref(&config);
}
