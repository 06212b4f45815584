/* A file without a name carries the findings: it is no matter how many they are, nor whether anybody reads it. */
#include "proxy/report_handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/findings_file.h"
#include "proxy/findings_merge.h"
#include "proxy/findings_state.h"
#include "proxy/log.h"
#include "proxy/tap.h"

static void log_failure(const char *message)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "findings_not_handed_over");
    log_text(&line, "message", message);
    log_end(&line);
}

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0) return -1;
        text += written;
        size -= (size_t)written;
    }
    return 0;
}

int report_handover_give(struct commons *commons, bool is_end)
{
    if (is_end) detector_flush(taps_detector(commons->taps), commons->now_us);
    struct findings *findings = detector_findings(taps_detector(commons->taps));
    size_t size;
    char *text = findings_encode(findings, &size);
    int fd = memfd_create("findings", MFD_CLOEXEC);
    if (fd >= 0 && write_all(fd, text, size) == 0) {
        findings_clear(findings);
    } else {
        log_failure(strerror(errno));
        if (fd >= 0) close(fd);
        fd = -1;
    }
    free(text);
    return fd;
}

void report_handover_take(struct commons *commons, int fd)
{
    struct findings *findings = detector_findings(taps_detector(commons->taps)), *given = findings_new_alike(findings);
    struct error error;
    if (findings_file_read(given, fd, "of the process before this one", &error) == 0)
        findings_merge(findings, given);
    else
        log_failure(error.text);
    findings_free(&given);
    close(fd);
}
