#ifndef PROXY_SERVICE_MANAGER_H
#define PROXY_SERVICE_MANAGER_H

#include <stddef.h>
#include <stdint.h>

/*
 * What systemd, or whatever speaks like it, hears from us and gives to us: sd_notify(3) and sd_listen_fds(3), which are an environment variable and a
 * datagram each. Without such a manager every call does nothing. A test needs no more than the variables.
 */

/* Where the inherited listening sockets begin, and how many there are. Forgets them: only the first call gets any. */
size_t service_manager_sockets(int *first_out);

/* Lines "NAME=value", separated by newlines. Never blocks; a manager that does not listen is no error. */
void service_manager_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
void service_manager_ready(void);     /* this process serves, and is the main one */
void service_manager_reloading(void); /* until service_manager_ready */
void service_manager_stopping(void);
/* How often it wants to hear service_manager_alive, in microseconds; 0: never. */
int64_t service_manager_watchdog_us(void);
void service_manager_alive(void);

#endif
