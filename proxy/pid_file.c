/*
 * The pid file. Invariant: a name is removed only while it leads to the very file that we have locked.
 */
#include "proxy/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/memory.h"

enum { FILE_MODE = 0644 };

static bool leads_to(const char *path, int fd)
{
    struct stat named, opened;
    return stat(path, &named) == 0 && fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static int write_pid(int fd)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0)) return -1;
    ssize_t written = pwrite(fd, text, (size_t)size, 0);
    if (written == size) return 0;
    if (written >= 0) errno = ENOSPC;
    return -1;
}

static void explain_locked(int fd, const char *path, struct error *error)
{
    char text[32] = "";
    if (pread(fd, text, sizeof text - 1, 0) < 0) *text = '\0';
    error_set(error, "", "pidfile \"%s\" belongs to process %ld, which runs: stop it, or start with -R to take over from it", path,
              strtol(text, NULL, 10));
}

/* A descriptor of the file at `path`, locked; -1 with errno, EWOULDBLOCK after `error` was set. */
static int open_locked(const char *path, struct error *error)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, FILE_MODE);
        if (fd < 0) return -1;
        bool is_locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        int why = errno;
        /* Its owner may have removed it since we opened it. */
        if (is_locked && leads_to(path, fd)) return fd;
        if (!is_locked && why == EWOULDBLOCK) explain_locked(fd, path, error);
        close(fd);
        errno = why;
        if (!is_locked) return -1;
    }
}

static int finish(struct pid_file *file, const char *path, int fd, struct error *error)
{
    if (write_pid(fd)) {
        error_set(error, "", "cannot write pidfile \"%s\": %s", path, strerror(errno));
        close(fd);
        return -1;
    }
    *file = (struct pid_file){.path = memory_strdup(path), .fd = fd};
    return 0;
}

int pid_file_take(struct pid_file *file, const char *path, struct error *error)
{
    *file = (struct pid_file){.fd = -1};
    if (!*path) return 0;
    int fd = open_locked(path, error);
    if (fd >= 0) return finish(file, path, fd, error);
    if (errno != EWOULDBLOCK) error_set(error, "", "cannot write pidfile \"%s\": %s", path, strerror(errno));
    return -1;
}

int pid_file_take_over(struct pid_file *file, const char *path, struct error *error)
{
    *file = (struct pid_file){.fd = -1};
    if (!*path) return 0;
    size_t size = strlen(path) + 32;
    char *fresh = memory_alloc(size);
    snprintf(fresh, size, "%s.%ld", path, (long)getpid());
    int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    int failed = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) ? -1 : finish(file, path, fd, error);
    if (failed && fd < 0) error_set(error, "", "cannot write pidfile \"%s\": %s", fresh, strerror(errno));
    if (!failed && rename(fresh, path)) {
        error_set(error, "", "cannot write pidfile \"%s\": %s", path, strerror(errno));
        pid_file_leave(file);
        failed = -1;
    }
    if (failed) unlink(fresh);
    free(fresh);
    return failed;
}

void pid_file_leave(struct pid_file *file)
{
    if (!file->path) return;
    if (leads_to(file->path, file->fd)) unlink(file->path);
    close(file->fd);
    free(file->path);
    *file = (struct pid_file){.fd = -1};
}
