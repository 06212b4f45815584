#ifndef PROXY_SUGGESTIONS_H
#define PROXY_SUGGESTIONS_H

#include "proxy/verdicts.h"

/* What people can do about a finding, in the words of their framework where it is known. A candidate fix, and called that: nobody here has seen their code. */
enum framework {
    FRAMEWORK_UNKNOWN,
#define X(name, word) name,
#include "proxy/frameworks.def"
#undef X
    FRAMEWORK_COUNT
};

const char *framework_word(enum framework framework); /* "" for unknown */
/* From the value of a framework= tag: "django:4.2". */
enum framework framework_of_tag(const char *value, size_t size);
/* From the habits of ORMs in a canonical text; FRAMEWORK_UNKNOWN when nothing gives it away. */
enum framework framework_of_text(const char *shape_text);

struct suggestion_subject {
    enum verdict verdict;
    enum link link;
    enum framework framework;
    const char *shape_text;    /* canonical, of the repeated statement */
    int slot;                  /* that varies, from 0; -1: not known */
    bool varies_elsewhere;     /* others vary as well */
    const char *parent_table;  /* NULL or "": not known */
    const char *parent_column; /* the same */
};

enum { SUGGESTION_MAX = 600 };
/* One or two sentences; cut to `size` with its NUL. */
void suggestion_write(const struct suggestion_subject *subject, char *text_out, size_t size);

#endif
