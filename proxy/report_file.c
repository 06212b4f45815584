/* When the findings are written. Text is made of them on the loop's thread, which owns them; the disk is waited for on another. */
#include "proxy/report_file.h"

#include <stdlib.h>

#include "proxy/findings_file.h"
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
    struct saving *saving; /* under way */
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

struct report_file *report_file_open(struct commons *commons)
{
    const char *path = commons->config->settings.report_file;
    struct error error;
    if (!*path) return NULL;
    if (findings_file_load(detector_findings(taps_detector(commons->taps)), path, &error) != 0) {
        log_failure(&error);
        return NULL;
    }
    struct report_file *file = memory_zalloc(sizeof *file);
    file->commons = commons;
    file->offload = offload_new(commons->loop, 1);
    file->path = memory_strdup(path);
    file->due_us = commons->now_us + period_us;
    file->units_saved = units_of(file);
    return file;
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
    if (!file || file->commons->now_us < file->due_us || file->saving) return;
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

void report_file_close(struct report_file **file_pointer, bool saves)
{
    struct report_file *file = *file_pointer;
    struct error error;
    if (!file) return;
    *file_pointer = NULL;
    offload_free(&file->offload);
    forget(file);
    if (saves) {
        detector_flush(taps_detector(file->commons->taps), file->commons->now_us);
        judge(file, findings_file_save(findings_of(file), file->path, &error), &error);
    }
    free(file->path);
    free(file);
}
