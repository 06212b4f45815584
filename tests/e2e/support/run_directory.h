#ifndef TESTS_E2E_SUPPORT_RUN_DIRECTORY_H
#define TESTS_E2E_SUPPORT_RUN_DIRECTORY_H

/*
 * One directory per test program for everything it leaves behind: database clusters, sockets, configurations, logs.
 * A reaper process stops every postmaster in it and removes it when the program has ended, however it ended.
 */

/* Make the directory and start the reaper. Once, in the runner's process, before the tests. */
void run_directory_init(void);

/* Its path, in the runner and in each test's process. Owned by the user that PostgreSQL runs as. */
const char *run_directory(void);

/* A new path for a file, "<run directory>/<test>-<number>-<name>", the caller frees it. Names of one test share the prefix. */
char *run_directory_file(const char *name);

/* A new path for a directory that will hold a Unix socket, and therefore short; the caller frees it. */
char *run_directory_short(void);

/* Print the end of each log that the test `suite`/`test` has left. For the runner, after a failure. */
void run_directory_show_logs(const char *suite, const char *test);

#endif
