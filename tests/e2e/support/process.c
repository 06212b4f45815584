/*
 * Child processes of the tests. Not for knowing what they are: postgres.c and proxy.c do.
 * Invariant: between fork and exec only async-signal-safe calls run, since tests have threads.
 */
#include "tests/e2e/support/process.h"

#include "tests/e2e/support/require.h"
#include "tests/e2e/support/wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool process_unprivileged_user(uid_t *uid_out, gid_t *gid_out)
{
    if (geteuid() != 0) return false;
    const struct passwd *user = getpwnam("postgres");
    if (user == NULL) user = getpwnam("nobody");
    require(user != NULL, "neither a user postgres nor a user nobody");
    *uid_out = user->pw_uid;
    *gid_out = user->pw_gid;
    return true;
}

int process_allow_descriptors(void)
{
    struct rlimit limit;
    require(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    require(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return limit.rlim_cur < INT_MAX ? (int)limit.rlim_cur : INT_MAX;
}

void process_hand_over(const char *path)
{
    uid_t uid;
    gid_t gid;
    if (process_unprivileged_user(&uid, &gid)) require(chown(path, uid, gid) == 0, "%s: %s", path, strerror(errno));
}

static void become_child(const char *const *argv, const struct process_options *options, int output, bool is_changing_user, uid_t uid,
                         gid_t gid)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    if (options->lifetime == PROCESS_LIVES_ON) setsid();
    if (is_changing_user && (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) _exit(126);
    /* After the change of user: that clears the setting. */
    if (options->lifetime == PROCESS_DIES_WITH_US) prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    if (output >= 0) {
        dup2(output, 1);
        dup2(output, 2);
    }
    syscall(SYS_close_range, 3u, ~0u, 0u);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

pid_t process_start(const char *const *argv, const struct process_options *options)
{
    uid_t uid = 0;
    gid_t gid = 0;
    bool is_changing_user = options->identity == PROCESS_UNPRIVILEGED && process_unprivileged_user(&uid, &gid);
    int output = -1;
    if (options->output_path != NULL) {
        output = open(options->output_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        require(output >= 0, "%s: %s", options->output_path, strerror(errno));
    }
    pid_t pid = fork();
    require(pid >= 0);
    if (pid == 0) become_child(argv, options, output, is_changing_user, uid, gid);
    if (output >= 0) close(output);
    return pid;
}

int process_run(const char *const *argv, const struct process_options *options)
{
    int status = 0;
    pid_t pid = process_start(argv, options);
    while (waitpid(pid, &status, 0) < 0) require(errno == EINTR);
    return status;
}

bool process_wait(pid_t pid, int timeout_ms, int *status_out)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    for (;;) {
        pid_t ended = waitpid(pid, status_out, WNOHANG);
        if (ended == pid) return true;
        if (now_ms() >= deadline_ms) return false;
        nap();
    }
}

/* The name of a socket that lives as long as this process says whose the port is. */
static bool reserve_port(int port)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int size = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "pgturnstile-e2e-port-%d", port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(fd >= 0, "%s", strerror(errno));
    if (bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size)) == 0) return true;
    close(fd);
    return false;
}

int process_free_port(void)
{
    static unsigned attempt;
    for (int tries = 0; tries < 1000; tries++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        unsigned mix = ((unsigned)now.tv_nsec ^ (unsigned)getpid() * 2654435761u) + attempt++ * 40503u;
        int port = 12000 + (int)(mix % 18000u);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int taken = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (taken == 0 && reserve_port(port)) return port;
    }
    require(false, "no free port");
    return -1;
}
