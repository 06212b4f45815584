#ifndef PROXY_CONFIG_CHECK_H
#define PROXY_CONFIG_CHECK_H

#include "proxy/config.h"

/* Where things stand in the file; 0: nowhere. */
struct config_lines {
    unsigned *of_settings;  /* in the order of settings_list */
    unsigned *of_databases; /* in the order of config->databases */
};

/* No line known; the memory is the store's. */
void config_lines_init(struct config_lines *lines, struct text_store *store);
unsigned *config_lines_of(const struct config_lines *lines, const struct setting *setting);

/* Add a problem for everything that is right by itself and wrong together with the rest, or with what the file system says. */
void config_check(const struct config *config, const struct config_lines *lines, struct config_problems *problems);

#endif
