#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/pid_file.h"

static char directory[64], path[100];

static void setup(void)
{
    strcpy(directory, "/tmp/test_pid_file_XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/pid", directory);
}

static void teardown(void)
{
    unlink(path);
    rmdir(directory);
}

TestSuite(pid_file, .init = setup, .fini = teardown, .timeout = 20);

static long written_pid(void)
{
    long pid = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) return -1;
    cr_assert_eq(fscanf(file, "%ld", &pid), 1);
    fclose(file);
    return pid;
}

Test(pid_file, holds_our_number_until_we_leave)
{
    struct pid_file file;
    struct error error;
    cr_assert_eq(pid_file_take(&file, path, &error), 0);
    cr_assert_eq(written_pid(), getpid());
    pid_file_leave(&file);
    cr_assert_neq(access(path, F_OK), 0);
    pid_file_leave(&file);
}

Test(pid_file, none_is_none)
{
    struct pid_file file;
    struct error error;
    cr_assert_eq(pid_file_take(&file, "", &error), 0);
    pid_file_leave(&file);
    cr_assert_eq(pid_file_take_over(&file, "", &error), 0);
    pid_file_leave(&file);
}

Test(pid_file, what_a_dead_process_left_is_no_obstacle)
{
    struct pid_file file;
    struct error error;
    FILE *stale = fopen(path, "w");
    fputs("1234567890\n", stale);
    fclose(stale);
    cr_assert_eq(pid_file_take(&file, path, &error), 0);
    cr_assert_eq(written_pid(), getpid());
    pid_file_leave(&file);
}

Test(pid_file, one_that_lives_is_named)
{
    struct pid_file file, second;
    struct error error;
    char expected[64];
    cr_assert_eq(pid_file_take(&file, path, &error), 0);
    cr_assert_eq(pid_file_take(&second, path, &error), -1);
    snprintf(expected, sizeof expected, "belongs to process %ld, which runs", (long)getpid());
    cr_assert_not_null(strstr(error.text, expected), "%s", error.text);
    pid_file_leave(&file);
}

Test(pid_file, taken_over_it_is_not_removed_by_its_former_owner)
{
    struct pid_file older, younger, third;
    struct error error;
    cr_assert_eq(pid_file_take(&older, path, &error), 0);
    cr_assert_eq(pid_file_take_over(&younger, path, &error), 0);
    pid_file_leave(&older);
    cr_assert_eq(written_pid(), getpid());
    cr_assert_eq(pid_file_take(&third, path, &error), -1);
    pid_file_leave(&younger);
    cr_assert_eq(written_pid(), -1);
}

Test(pid_file, a_place_that_cannot_be_written_is_told)
{
    struct pid_file file;
    struct error error;
    cr_assert_eq(pid_file_take(&file, "/nonexistent/directory/pid", &error), -1);
    cr_assert_not_null(strstr(error.text, "/nonexistent/directory/pid"), "%s", error.text);
    cr_assert_eq(pid_file_take_over(&file, "/nonexistent/directory/pid", &error), -1);
    cr_assert_not_null(strstr(error.text, "/nonexistent/directory/pid"), "%s", error.text);
}
