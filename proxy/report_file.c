/* When the findings are written. Text is made of them on the loop's thread, which owns them; the disk is waited for on another. */
#include "proxy/report_file.h"

#include <stdlib.h>

#include "proxy/findings_file.h"
#include "proxy/findings_merge.h"
#include "proxy/findings_state.h"
#include "proxy/log.h"
#include "proxy/memory.h"
#include "proxy/offload.h"
#include "proxy/tap.h"

static const int64_t period_us = 60000000;

struct report_file {
    struct commons *commons;
    struct offload *offload;
    char *path;
    struct saving *saving;     /* under way */
    struct findings *awaiting; /* those of the file, as long as it waits; else NULL */
    int64_t due_us;
    uint64_t units_saved;
    bool is_failing; /* and the log has said so */
};

struct saving {
    struct offload_job job;
    struct report_file *file;
    char *text;
    size_t size;
    int result;
    struct error error;
};

static struct findings *findings_of(const struct report_file *file)
{
    return detector_findings(taps_detector(file->commons->taps));
}

static void log_failure(const struct error *error)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "report_file_failed");
    log_text(&line, "message", error->text);
    log_end(&line);
}

static void judge(struct report_file *file, int result, const struct error *error)
{
    bool is_first = result != 0 && !file->is_failing;
    file->is_failing = result != 0;
    if (is_first) log_failure(error);
}

/* Of the units of work that have ended: nothing else changes what is written. */
static uint64_t units_of(const struct report_file *file)
{
    struct detector_counters counters;
    detector_counters(taps_detector(file->commons->taps), &counters);
    return counters.units;
}

struct report_file *report_file_open(struct commons *commons, bool waits)
{
    const char *path = commons->config->settings.report_file;
    struct findings *findings = detector_findings(taps_detector(commons->taps)), *awaiting = NULL;
    struct error error;
    if (!*path) return NULL;
    if (waits) awaiting = findings_new_alike(findings);
    if (findings_file_load(waits ? awaiting : findings, path, &error) != 0) {
        log_failure(&error);
        findings_free(&awaiting);
        return NULL;
    }
    struct report_file *file = memory_zalloc(sizeof *file);
    file->commons = commons;
    file->offload = offload_new(commons->loop, 1);
    file->path = memory_strdup(path);
    file->due_us = commons->now_us + period_us;
    file->units_saved = units_of(file);
    file->awaiting = awaiting;
    return file;
}

void report_file_begin(struct report_file *file, bool was_handed_over)
{
    if (!file || !file->awaiting) return;
    if (!was_handed_over) findings_merge(findings_of(file), file->awaiting);
    findings_free(&file->awaiting);
    file->due_us = file->commons->now_us;
    file->units_saved = UINT64_MAX;
}

static void run(struct offload_job *job)
{
    struct saving *saving = (struct saving *)job;
    saving->result = findings_file_write(saving->file->path, saving->text, saving->size, &saving->error);
}

static void forget(struct report_file *file)
{
    if (file->saving) free(file->saving->text);
    free(file->saving);
    file->saving = NULL;
}

static void done(struct offload_job *job)
{
    struct saving *saving = (struct saving *)job;
    judge(saving->file, saving->result, &saving->error);
    forget(saving->file);
}

void report_file_tick(struct report_file *file)
{
    if (!file || file->awaiting || file->commons->now_us < file->due_us || file->saving) return;
    file->due_us = file->commons->now_us + period_us;
    uint64_t units = units_of(file);
    if (units == file->units_saved && !file->is_failing) return;
    file->units_saved = units;
    struct saving *saving = memory_zalloc(sizeof *saving);
    saving->job = (struct offload_job){.run = run, .done = done};
    saving->file = file;
    saving->text = findings_encode(findings_of(file), &saving->size);
    file->saving = saving;
    offload_submit(file->offload, &saving->job);
}

static int save(const struct report_file *file, bool adds, struct error *error)
{
    struct findings *findings = findings_of(file), *there = findings_new_alike(findings);
    int result = adds ? findings_file_load(there, file->path, error) : 0;
    if (result == 0) {
        findings_merge(findings, there);
        result = findings_file_save(findings, file->path, error);
    }
    findings_free(&there);
    return result;
}

void report_file_close(struct report_file **file_pointer, enum report_file_end end)
{
    struct report_file *file = *file_pointer;
    struct error error;
    if (!file) return;
    *file_pointer = NULL;
    report_file_begin(file, false);
    offload_free(&file->offload);
    forget(file);
    if (end != REPORT_FILE_LEFT) {
        detector_flush(taps_detector(file->commons->taps), file->commons->now_us);
        judge(file, save(file, end == REPORT_FILE_ADDED, &error), &error);
    }
    free(file->path);
    free(file);
}
