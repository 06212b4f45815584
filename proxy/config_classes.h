#ifndef PROXY_CONFIG_CLASSES_H
#define PROXY_CONFIG_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/config_match.h"

/* So that the classes that a client may still come into fit into a uint64_t: classes.h. The default class counts. */
enum { CONFIG_CLASSES_MAX = 64 };
#define CONFIG_CLASS_DEFAULT "default"

/*
 * A kind of work: one [class NAME] section. The members of class_keys.def are as described there, times in microseconds; a CLASS_TIMEOUT
 * that is not said is -1, everything else has its default.
 */
struct config_class {
    const char *name;
    const struct config_match *matches; /* one of them is enough; none: the default class, which takes what is left over */
    size_t match_count;
    enum config_fact share_by; /* what splits the class into keys that take turns; CONFIG_FACT_NONE: nothing; never PORT */
    const char *share_tag;     /* share_by TAG: its key */
    unsigned share_tag_number; /* share_by TAG: its number, as in struct config_condition */
#define CLASS_COUNT(name, standard, low, high, text) int64_t name;
#define CLASS_SECONDS(name, standard, text)          int64_t name##_us;
#define CLASS_TIMEOUT(name, text)                    int64_t name##_us;
#include "proxy/class_keys.def"
#undef CLASS_COUNT
#undef CLASS_SECONDS
#undef CLASS_TIMEOUT
};

/* The keys of class_keys.def, for those who work on all of them. */
struct config_class_key {
    const char *name;
    const char *standard; /* as it would stand in the file; "": not said */
    const char *text;
    size_t offset; /* of the member, an int64_t */
    bool is_seconds;
    int64_t low, high; /* of a count */
};
const struct config_class_key *config_class_keys(size_t *count_out);

/* The classes of a file while it is read. A zeroed struct is none. */
struct config_classes_draft {
    struct config_class_draft *classes; /* in the order of the file, the default class in its place */
    size_t count;
    bool is_skipping; /* the section begun last is a problem by itself: its keys are not looked at */
};
/* A section [class NAME] begins, and then its keys. `name` NULL: it has none, which is a problem. */
void config_classes_begin(struct config_classes_draft *draft, const struct config_origin *origin, const char *name);
void config_classes_key(struct config_classes_draft *draft, const struct config_origin *origin, const char *key, const char *value);
/*
 * The end of the file: check each class and all of them together against the budget and the port listened on, and return them: the order of
 * the file, the default class last, at least that one. They lie in the origin's store; the line of the origin is not used. The draft is empty
 * afterwards.
 */
struct config_classes_limits {
    int64_t budget;
    unsigned budget_line; /* 0: it is not said */
    int64_t listen_port;
};
const struct config_class *config_classes_finish(struct config_classes_draft *draft, const struct config_origin *origin,
                                                 const struct config_classes_limits *limits, size_t *count_out);

#endif
