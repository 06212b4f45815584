#ifndef PROXY_CLASSES_H
#define PROXY_CLASSES_H

#include "protocol/sql_tags.h"
#include "proxy/config.h"

/*
 * Which class a client is in. A class is an index into config->classes; the first one that matches is it, and the last one, the default class,
 * matches always.
 *
 * What is known of the connection decides most of it, so it is looked at once: classes_narrow() leaves the class that the client is in when no
 * tag says otherwise, and those in front of it that a tag of its SQL could still put it into. Most often there are none, and then a lease
 * costs nothing. To be done after the login, after the application_name has changed, and under a new configuration.
 */
struct class_facts {
    const char *user, *database;
    const char *application_name; /* NULL is as "" */
    struct address address;       /* is_unix as well for a client of the Unix socket */
    uint16_t port;                /* that it connected to; 0: the Unix socket */
    const struct sql_tags *tags;  /* of its statement, read with the configuration's tag_keys; NULL: none */
};
struct class_candidates {
    uint64_t by_tag; /* a bit for each class that it is in if the tags fit; all in front of `otherwise` */
    unsigned otherwise;
};

/* facts->tags is not looked at. */
struct class_candidates classes_narrow(const struct config *config, const struct class_facts *facts);
/* Whether the tags of a statement matter to a client with these candidates: for its class, or for the share key of that. When not, no SQL has to be read for them. */
bool classes_need_tags(const struct config *config, const struct class_candidates *candidates);
/* The class, with the tags of facts->tags. The rest of the facts is that of classes_narrow. */
unsigned classes_settle(const struct config *config, const struct class_candidates *candidates, const struct class_facts *facts);

/*
 * The text of what the class is shared by, for these facts: its user name, its address, the value of its tag ... "" when the class has no
 * share_by, or the tag is not there: all of those share one key. Longer texts are cut, at a whole character. Returns the size.
 */
enum { CLASSES_SHARE_KEY_SIZE = 128 };
size_t classes_share_key(const struct config_class *class, const struct class_facts *facts, char key_out[CLASSES_SHARE_KEY_SIZE]);

#endif
