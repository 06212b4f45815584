#ifndef PROXY_REPORT_FILE_H
#define PROXY_REPORT_FILE_H

#include "proxy/commons.h"

/*
 * The findings in a file (setting report_file), so that a restart does not make all of them new: read at the start, written each minute in which something was
 * seen, and at the end. A file that cannot be read for what it is stays as it is, and is not written.
 */
struct report_file;

/* Reads it into the findings of commons->taps. NULL: no such setting, or the file is another one; the log says so. */
struct report_file *report_file_open(struct commons *commons);
/* Writes it on a helper thread, when it is time for that. To be called about once a second. NULL accepted. */
void report_file_tick(struct report_file *file);
/* At the end of the process; waits for what is being written. `saves`: what was seen since is written. NULL accepted. */
void report_file_close(struct report_file **file, bool saves);

#endif
