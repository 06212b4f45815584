#ifndef PROXY_USERLIST_H
#define PROXY_USERLIST_H

#include "protocol/password.h"
#include "protocol/scram.h"

/*
 * The users of an auth_file in PgBouncer's format: one `"name" "secret"` a line; '""' inside quotes is a quote; what follows the second
 * string on a line is ignored; lines that start with ';' or '#' and empty lines too. Immutable after loading, but for the derived SCRAM
 * secrets, which belong to the worker's thread.
 */
struct userlist_user {
    const char *name;
    const char *secret; /* "" when the file has none */
    enum password_kind kind;
    /* For PASSWORD_SCRAM parsed at load. For PASSWORD_PLAIN derived once on an offload thread, when first needed. */
    struct scram_secret scram;
    bool has_scram;
    bool is_deriving;
};
enum { USERLIST_SECRET_SIZE_MAX = 2048 };

struct userlist;
/* NULL when there are problems: one call for each (with the remedy, never a secret); line 0 is the file as a whole. An empty list for path "" */
struct userlist *userlist_read(const char *path, void (*problem)(void *context, unsigned line, const char *text), void *context);
void userlist_free(struct userlist **list); /* overwrites the secrets */
/* All of them: the one behind `name`, the first for NULL; NULL at the end. */
const struct userlist_user *userlist_next(const struct userlist *list, const char *name);
size_t userlist_count(const struct userlist *list);
struct userlist_user *userlist_find(struct userlist *list, const char *name); /* NULL: unknown */
/*
 * Take over the derived SCRAM secrets of users whose plain secret did not change: a reload costs no derivation. Not when scram_iterations
 * changed.
 */
void userlist_inherit(struct userlist *list, const struct userlist *old);
/*
 * SASLprep (RFC 4013) of a plain password, as PostgreSQL does it: when the preparation fails (no UTF-8, a prohibited or unassigned
 * character, nothing left), the password as it is. malloc'ed; wiped and freed by the caller (userlist_wipe).
 */
char *userlist_prepare_password(const char *password);
void userlist_wipe(char **secret); /* NULL accepted; overwrites, frees, clears */

#endif
