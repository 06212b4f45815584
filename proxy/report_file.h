#ifndef PROXY_REPORT_FILE_H
#define PROXY_REPORT_FILE_H

#include "proxy/commons.h"

/*
 * The findings in a file (setting report_file), so that a restart does not make all of them new: read at the start, written each minute in which something was
 * seen, and at the end. A file that cannot be read for what it is stays as it is, and is not written.
 *
 * In an online restart, the file belongs to the younger process from its begin on; the older one hands over what it has found (report_handover.h).
 */
struct report_file;

/*
 * Reads it into the findings of commons->taps. `waits`: not yet, because the process before this one is about to hand over its own, which hold all that is
 * in the file; nothing is written before report_file_begin. NULL: no such setting, or the file is another one; the log says so.
 */
struct report_file *report_file_open(struct commons *commons, bool waits);
/* Ends the waiting, if any: the findings were handed over, or will not be; then those of the file are read after all. Written soon. NULL accepted. */
void report_file_begin(struct report_file *file, bool was_handed_over);
/* Writes it on a helper thread, when it is time for that. To be called about once a second. NULL accepted. */
void report_file_tick(struct report_file *file);
/* At the end of the process; waits for what is being written. NULL accepted. */
enum report_file_end {
    REPORT_FILE_SAVED,
    REPORT_FILE_LEFT, /* to the process that goes on with it */
    REPORT_FILE_ADDED /* that process has ended before this one: what it left there counts as well */
};
void report_file_close(struct report_file **file, enum report_file_end end);

#endif
