#ifndef TESTS_E2E_SUPPORT_FILES_H
#define TESTS_E2E_SUPPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Small files of a test run: configurations, logs. */

/* The whole file as a NUL-terminated string that the caller frees; "" when it cannot be read. */
char *file_read(const char *path);

/* Replace the file by `text`, readable by its owner only. The test fails when that does not work. */
void file_write(const char *path, const char *text);
void file_append(const char *path, const char *text);

/* How often `needle` stands in the file. */
int file_count(const char *path, const char *needle);

/* Remove a directory with everything in it; no error when it is not there. */
void directory_remove(const char *path);

/* printf into a new string that the caller frees. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
