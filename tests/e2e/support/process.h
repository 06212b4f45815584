#ifndef TESTS_E2E_SUPPORT_PROCESS_H
#define TESTS_E2E_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* Starting and ending other programs. */

enum process_lifetime {
    PROCESS_DIES_WITH_US, /* killed by the kernel when the thread that started it ends */
    PROCESS_LIVES_ON      /* in a session of its own; the run directory's reaper ends it at the latest */
};
enum process_identity {
    PROCESS_AS_WE_ARE,
    PROCESS_UNPRIVILEGED /* when we are root: as "postgres", or else "nobody" */
};

struct process_options {
    enum process_lifetime lifetime;
    enum process_identity identity;
    const char *output_path; /* stdout and stderr are appended here; NULL: inherited */
};

/* Start argv[0] (looked up in PATH). Returns the process id; the caller waits for it. Descriptors above 2 are not passed on. */
pid_t process_start(const char *const *argv, const struct process_options *options);

/* Start it, wait for its end, return the status of waitpid(2). */
int process_run(const char *const *argv, const struct process_options *options);

/* Wait for the end of our child. Returns false when it still runs after `timeout_ms`. */
bool process_wait(pid_t pid, int timeout_ms, int *status_out);

/* The unprivileged user, when we are root; false: we are not, nothing to change. */
bool process_unprivileged_user(uid_t *uid_out, gid_t *gid_out);

/* Raise our limit of open descriptors, and that of what we start from now on, to the highest allowed; returns it. */
int process_allow_descriptors(void);

/* Make that user the owner of a file or directory; nothing when we are not root. */
void process_hand_over(const char *path);

/*
 * A free TCP port of the loopback interface, below the range that outgoing connections take theirs from. No other test of this machine
 * is given it before the process that asked has ended.
 */
int process_free_port(void);

#endif
