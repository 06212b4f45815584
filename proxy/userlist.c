/*
 * The users of an auth_file. It reads, finds and wipes; how a client proves who it is is client_auth.c's, and keys are derived on an
 * offload thread.
 *
 * Invariants: no name stands twice with different secrets. Names, secrets and derived keys live in the store, which overwrites them at the
 * end.
 */
#include "proxy/userlist.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stringprep.h>
#include <uthash.h>

#include "proxy/memory.h"
#include "proxy/text_store.h"

/* PostgreSQL cuts longer names (NAMEDATALEN - 1). */
enum { NAME_SIZE_MAX = 63 };

struct item {
    struct userlist_user user;
    unsigned line;
    UT_hash_handle hh;
};

struct userlist {
    struct item *items; /* by name */
    struct text_store store;
};

/* ---- reading ---- */

struct reader {
    struct userlist *list;
    void (*problem)(void *context, unsigned line, const char *text);
    void *context;
    unsigned line;
    bool has_failed;
};

static void report(struct reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void report(struct reader *reader, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reader->has_failed = true;
    reader->problem(reader->context, reader->line, text);
}

/* `text` points at the opening quote. Undo the quoting in place; returns what follows the closing quote, or NULL when there is none. */
static char *unquote(char *text)
{
    char *to = text;
    for (char *from = text + 1; *from != '\0'; from++) {
        if (*from == '"' && from[1] != '"') {
            *to = '\0';
            return from + 1;
        }
        if (*from == '"') from++;
        *to++ = *from;
    }
    return NULL;
}

static char *skip_blanks(char *text)
{
    while (isspace((unsigned char)*text)) text++;
    return text;
}

static struct item *find_item(const struct userlist *list, const char *name)
{
    struct item *found;
    HASH_FIND_STR(list->items, name, found);
    return found;
}

static void add_user(struct reader *reader, const char *name, const char *secret)
{
    struct userlist *list = reader->list;
    struct item *earlier = find_item(list, name);
    if (earlier != NULL) {
        if (strcmp(earlier->user.secret, secret) != 0)
            report(reader, "user \"%s\" has another secret on line %u: keep one", name, earlier->line);
        return;
    }
    struct item *item = text_store_alloc(&list->store, sizeof *item);
    item->line = reader->line;
    item->user.name = text_store_add(&list->store, name);
    item->user.secret = text_store_add(&list->store, secret);
    item->user.kind = password_kind_of(secret);
    if (item->user.kind == PASSWORD_SCRAM) {
        item->user.has_scram = scram_parse_secret(secret, &item->user.scram) == CODEC_OK;
        if (!item->user.has_scram)
            report(reader, "the secret of \"%s\" begins like a SCRAM secret but is none: copy rolpassword from pg_authid once more", name);
    }
    HASH_ADD_KEYPTR(hh, list->items, item->user.name, strlen(item->user.name), item);
}

/* Problems do not quote the line: where a quote is missing, anything may be the secret. */
static void read_user(struct reader *reader, char *text)
{
    char *name = skip_blanks(text);
    if (*name == '\0' || *name == ';' || *name == '#') return;
    char *secret = *name == '"' ? unquote(name) : NULL;
    if (secret == NULL) {
        report(reader, "the name in double quotes is missing: write \"user\" \"secret\"");
        return;
    }
    secret = skip_blanks(secret);
    if (*secret != '"' || unquote(secret) == NULL)
        report(reader, "the secret in double quotes is missing: write \"user\" \"secret\"");
    else if (*name == '\0')
        report(reader, "the name is empty");
    else if (strlen(name) > NAME_SIZE_MAX)
        report(reader, "user \"%.80s\" is longer than the %d bytes that PostgreSQL keeps of a name", name, NAME_SIZE_MAX);
    else if (strlen(secret) > USERLIST_SECRET_SIZE_MAX)
        report(reader, "the secret of \"%s\" is longer than %d bytes", name, USERLIST_SECRET_SIZE_MAX);
    else
        add_user(reader, name, secret);
}

static void read_lines(struct reader *reader, FILE *file)
{
    /* Large enough for every good line, so that getline does not leave copies of secrets behind. */
    size_t capacity = 4 * USERLIST_SECRET_SIZE_MAX;
    char *text = memory_alloc(capacity);
    ssize_t size;
    while ((size = getline(&text, &capacity, file)) >= 0) {
        reader->line++;
        if (strlen(text) != (size_t)size)
            report(reader, "the line holds a zero byte: this is no text file");
        else
            read_user(reader, text);
    }
    if (ferror(file)) {
        reader->line = 0;
        report(reader, "cannot be read: %s", strerror(errno));
    }
    explicit_bzero(text, capacity);
    free(text);
}

struct userlist *userlist_read(const char *path, void (*problem)(void *context, unsigned line, const char *text), void *context)
{
    struct userlist *list = memory_zalloc(sizeof *list);
    struct reader reader = {.list = list, .problem = problem, .context = context};
    if (*path == '\0') return list;

    FILE *file = fopen(path, "re");
    if (file == NULL) {
        report(&reader, "auth_file cannot be opened: %s", strerror(errno));
    } else {
        read_lines(&reader, file);
        fclose(file);
    }
    if (reader.has_failed) userlist_free(&list);
    return list;
}

/* ---- the list ---- */

void userlist_free(struct userlist **list_)
{
    struct userlist *list = *list_;
    *list_ = NULL;
    if (list == NULL) return;
    HASH_CLEAR(hh, list->items);
    text_store_fini(&list->store);
    free(list);
}

size_t userlist_count(const struct userlist *list)
{
    return HASH_COUNT(list->items);
}

struct userlist_user *userlist_find(struct userlist *list, const char *name)
{
    struct item *item = find_item(list, name);
    return item == NULL ? NULL : &item->user;
}

const struct userlist_user *userlist_next(const struct userlist *list, const char *name)
{
    const struct item *item = list->items;
    if (name != NULL) {
        const struct item *last = find_item(list, name);
        item = last != NULL ? last->hh.next : NULL;
    }
    return item != NULL ? &item->user : NULL;
}

void userlist_inherit(struct userlist *list, const struct userlist *old)
{
    for (struct item *item = list->items; item != NULL; item = item->hh.next) {
        const struct item *before = find_item(old, item->user.name);
        if (item->user.kind != PASSWORD_PLAIN || before == NULL || !before->user.has_scram) continue;
        if (strcmp(item->user.secret, before->user.secret) != 0) continue;
        item->user.scram = before->user.scram;
        item->user.has_scram = true;
    }
}

/* ---- passwords ---- */

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80) return false;
    }
    return true;
}

char *userlist_prepare_password(const char *password)
{
    char *prepared = NULL;
    if (is_ascii(password)) return memory_strdup(password);
    if (stringprep_profile(password, &prepared, "SASLprep", STRINGPREP_NO_UNASSIGNED) != STRINGPREP_OK) return memory_strdup(password);
    if (*prepared != '\0') return prepared;
    free(prepared);
    return memory_strdup(password);
}

void userlist_wipe(char **secret)
{
    if (*secret != NULL) explicit_bzero(*secret, strlen(*secret));
    free(*secret);
    *secret = NULL;
}
