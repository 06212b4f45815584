#ifndef PROXY_FINDINGS_FILE_H
#define PROXY_FINDINGS_FILE_H

#include "proxy/error.h"
#include "proxy/findings.h"

/* The text of findings_state.h in a file that only its owner may read. */

/* What was encoded, on any thread. By way of PATH.new and rename, so that the file is the old state or the new one, never a part. */
int findings_file_write(const char *path, const char *text, size_t size, struct error *error) __attribute__((warn_unused_result));
/* Both at once. */
int findings_file_save(const struct findings *findings, const char *path, struct error *error) __attribute__((warn_unused_result));
/* From an open file, wherever it stands. `name` is for the error. */
int findings_file_read(struct findings *findings, int file, const char *name, struct error *error) __attribute__((warn_unused_result));
/* A file that does not exist is no error: the findings stay empty. */
int findings_file_load(struct findings *findings, const char *path, struct error *error) __attribute__((warn_unused_result));

#endif
