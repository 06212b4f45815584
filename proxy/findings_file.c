/* Findings to a file and back. What is in it is findings_state.c's. */
#include "proxy/findings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/findings_state.h"
#include "proxy/memory.h"

enum { FILE_SIZE_MAX = 64 * 1024 * 1024 };

static int write_all(int file, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, text, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -1;
        text += written;
        size -= (size_t)written;
    }
    return 0;
}

int findings_file_write(const char *path, const char *text, size_t size, struct error *error)
{
    char *new_path = memory_alloc(strlen(path) + sizeof ".new");
    int result = -1;
    stpcpy(stpcpy(new_path, path), ".new");
    int file = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        error_set(error, "", "cannot write %s: %s", new_path, strerror(errno));
        goto done;
    }
    bool is_written = write_all(file, text, size) == 0 && fsync(file) == 0;
    if (close(file) != 0) is_written = false;
    if (!is_written || rename(new_path, path) != 0) {
        error_set(error, "", "cannot write %s: %s", path, strerror(errno));
        (void)unlink(new_path);
        goto done;
    }
    result = 0;
done:
    free(new_path);
    return result;
}

int findings_file_save(const struct findings *findings, const char *path, struct error *error)
{
    size_t size;
    char *text = findings_encode(findings, &size);
    int result = findings_file_write(path, text, size, error);
    free(text);
    return result;
}

int findings_file_read(struct findings *findings, int file, const char *name, struct error *error)
{
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > FILE_SIZE_MAX) {
        error_set(error, "", "%s is no file of findings", name);
        return -1;
    }
    size_t size = (size_t)status.st_size, used = 0;
    char *text = memory_alloc(size + 1);
    while (used < size) {
        ssize_t got = pread(file, text + used, size - used, (off_t)used);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        used += (size_t)got;
    }
    struct error why;
    int result = findings_decode(findings, text, used, &why);
    if (result != 0) error_set(error, "", "%s: %s", name, why.text);
    free(text);
    return result;
}

int findings_file_load(struct findings *findings, const char *path, struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        if (errno == ENOENT) return 0;
        error_set(error, "", "cannot read %s: %s", path, strerror(errno));
        return -1;
    }
    int result = findings_file_read(findings, file, path, error);
    (void)close(file);
    return result;
}
