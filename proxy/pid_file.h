#ifndef PROXY_PID_FILE_H
#define PROXY_PID_FILE_H

#include "proxy/error.h"

/*
 * The file that holds our process id. It stays open and locked (flock) for as long as we live: so a file that a dead process left is no
 * obstacle, and two processes cannot both believe that it is theirs.
 */
struct pid_file {
    char *path; /* NULL: none */
    int fd;
};

/* Lock `path` ("": none) and write our process id. 0, or -1 with `error`: somebody who lives has it, or it cannot be written. */
int pid_file_take(struct pid_file *file, const char *path, struct error *error) __attribute__((warn_unused_result));
/* The same by putting a new file in the place of one that another process still has: for a restart that takes over from it. */
int pid_file_take_over(struct pid_file *file, const char *path, struct error *error) __attribute__((warn_unused_result));
/* Remove it, unless another process has put its own there. */
void pid_file_leave(struct pid_file *file);

#endif
