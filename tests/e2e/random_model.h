#ifndef TESTS_E2E_RANDOM_MODEL_H
#define TESTS_E2E_RANDOM_MODEL_H

#include <stdbool.h>

/*
 * What one session on PostgreSQL would be: its settings with SET, SET LOCAL, savepoints and their ends (PostgreSQL manual, "SET"), its prepared statements, which know
 * no transactions, and the state that a proxy cannot move. Plain values; the caller says what happens, in the order in which the server comes to it.
 */
enum random_setting {
#define X(name, text, initial, sort, is_reported, is_reset_by_all) name,
#include "tests/e2e/random_settings.def"
#undef X
    RANDOM_SETTINGS
};
/* RANDOM_IDENTITY is role, or session_authorization for superusers. */
enum random_sort {
    SORT_TEXT,
    SORT_CUSTOM,
    SORT_DATESTYLE,
    SORT_INTERVALSTYLE,
    SORT_TIMEZONE,
    SORT_PATH,
    SORT_MILLISECONDS,
    SORT_KILOBYTES,
    SORT_IDENTITY
};

enum { VALUE_SIZE = 64, SAVEPOINTS = 4, STATEMENTS = 5, UNNAMED = STATEMENTS - 1 };

enum statement_kind {
    STATEMENT_NONE,
    STATEMENT_CONSTANT,  /* select 'its value' */
    STATEMENT_PARAMETER, /* select 'its value.' || $1 */
    STATEMENT_SHARED,    /* select $1, its value in a comment: the same statement for all clients */
    STATEMENT_CAST,      /* select $1::int */
    STATEMENT_READ,      /* current_setting() of its setting */
    STATEMENT_WRITE,     /* set_config() of its setting to $1 */
    STATEMENT_SET,       /* SET its setting to its value */
    STATEMENT_DATE       /* a date that was read with the DateStyle in force at its Parse */
};
enum { STATEMENT_KINDS = STATEMENT_DATE };

struct random_statement {
    enum statement_kind kind;
    enum random_setting setting;
    char value[VALUE_SIZE];
    bool is_day_first; /* STATEMENT_DATE: at its Parse */
    bool is_sql;       /* made by PREPARE */
};

/* What ROLLBACK takes back. */
struct random_state {
    struct {
        char session[VALUE_SIZE], local[VALUE_SIZE];
        bool is_local;
    } settings[RANDOM_SETTINGS];
    char temporary[VALUE_SIZE]; /* what the temporary table holds; "": there is none */
};

struct model {
    char status; /* of the transaction: 'I', 'T', 'E' */
    bool is_superuser;
    char user[16];
    struct random_state now, before; /* `before`: the transaction, or what stands for one: a query string, the messages up to a Sync */
    int depth;
    struct random_state savepoints[SAVEPOINTS]; /* named sp0, sp1 .. in this order */
    char initial[RANDOM_SETTINGS][VALUE_SIZE];  /* what RESET goes back to */
    char reported[RANDOM_SETTINGS][VALUE_SIZE]; /* what the client was told */
    struct random_statement statements[STATEMENTS];
    bool has_lock, is_listening;
    char cursor[VALUE_SIZE]; /* what the cursor WITH HOLD has; "": there is none */
};

const char *random_setting_name(const struct model *model, enum random_setting setting);
enum random_sort random_setting_sort(enum random_setting setting);

/* A new session of `user`, whose startup parameters are put into model->initial before model_enter. */
void model_init(struct model *model, const char *user, bool is_superuser);
void model_enter(struct model *model);

const char *model_get(const struct model *model, enum random_setting setting);
void model_set(struct model *model, enum random_setting setting, const char *value);
void model_set_local(struct model *model, enum random_setting setting, const char *value);
void model_reset(struct model *model, enum random_setting setting);
void model_reset_all(struct model *model);
bool model_is_day_first(const struct model *model);

/* A query string begins, or the first message after a Sync. */
void model_group_begins(struct model *model);
/* It has ended without an error: outside a transaction block that is a commit. */
void model_group_ends(struct model *model);
/* The statement at hand fails. */
void model_fails(struct model *model);
void model_begins(struct model *model);
/* COMMIT or ROLLBACK. True: it was committed. */
bool model_ends(struct model *model, bool is_commit);
void model_saves(struct model *model);
void model_rolls_back_to(struct model *model, int savepoint);
void model_releases(struct model *model, int savepoint);

void model_deallocates_all(struct model *model);
void model_discards_all(struct model *model);
/* How many ParameterStatus messages come before the next ReadyForQuery. They are taken as told. */
int model_reports(struct model *model);

#endif
