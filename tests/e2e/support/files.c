/*
 * Reading and writing the small files of a test run. Not for anything large: files are read whole.
 */
#include "tests/e2e/support/files.h"

#include "tests/e2e/support/require.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *file_read(const char *path)
{
    size_t size = 0, capacity = 4096;
    char *text = malloc(capacity);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0) {
        if (size + 1 == capacity) text = realloc(text, capacity *= 2);
        ssize_t got = read(fd, text + size, capacity - size - 1);
        if (got <= 0) break;
        size += (size_t)got;
    }
    if (fd >= 0) close(fd);
    text[size] = '\0';
    return text;
}

static void write_all(const char *path, const char *text, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    require(fd >= 0, "%s: %s", path, strerror(errno));
    size_t size = strlen(text);
    require(write(fd, text, size) == (ssize_t)size, "%s: %s", path, strerror(errno));
    close(fd);
}

void file_write(const char *path, const char *text)
{
    write_all(path, text, O_TRUNC);
}

void file_append(const char *path, const char *text)
{
    write_all(path, text, O_APPEND);
}

int file_count(const char *path, const char *needle)
{
    char *text = file_read(path);
    int count = 0;
    for (const char *at = strstr(text, needle); at != NULL; at = strstr(at + 1, needle)) count++;
    free(text);
    return count;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    remove(path);
    return 0;
}

void directory_remove(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

char *text_format(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    require(size >= 0);
    return text;
}
