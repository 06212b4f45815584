#ifndef PROXY_CONFIG_PROBLEMS_H
#define PROXY_CONFIG_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What is wrong with a file: every problem at once, in the order of the lines. A zeroed struct is an empty list. */
struct config_problem {
    char *file;
    unsigned line;   /* 0: the file as a whole; these come last */
    char *text;      /* what is wrong and what to do; never a secret */
    bool is_warning; /* the file is used all the same */
};
struct config_problems {
    struct config_problem *items;
    size_t count;
};

enum config_severity { CONFIG_WARNING, CONFIG_ERROR };

void config_problems_add(struct config_problems *problems, enum config_severity severity, const char *file, unsigned line,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Sort: the problems of `first_file`, then those of other files, each in the order of the lines. */
void config_problems_sort(struct config_problems *problems, const char *first_file);
/* Whether one of them is not a warning. */
bool config_problems_forbid_use(const struct config_problems *problems);
/* One line each: "file:line: text", with "warning: " before the text of one. */
void config_problems_print(const struct config_problems *problems, FILE *out);
void config_problems_fini(struct config_problems *problems);

#endif
