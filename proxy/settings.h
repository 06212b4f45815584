#ifndef PROXY_SETTINGS_H
#define PROXY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/log_line.h"
#include "proxy/text_store.h"

/* The settings of [pgturnstile], one member for each line of settings.def. Times are microseconds whatever unit the file has. */
enum pool_mode { POOL_MODE_UNSET = -1, POOL_MODE_SESSION, POOL_MODE_TRANSACTION, POOL_MODE_STATEMENT };
enum session_state_policy { SESSION_STATE_PIN, SESSION_STATE_REFUSE };
/* The search for duplicate queries. FULL looks at rows, too. */
enum analysis { ANALYSIS_OFF, ANALYSIS_FINGERPRINT, ANALYSIS_FULL };
/* As <syslog.h> has them. */
enum syslog_facility {
    SYSLOG_USER = 1 << 3,
    SYSLOG_DAEMON = 3 << 3,
    SYSLOG_AUTH = 4 << 3,
    SYSLOG_AUTHPRIV = 10 << 3,
    SYSLOG_LOCAL0 = 16 << 3,
    SYSLOG_LOCAL1 = 17 << 3,
    SYSLOG_LOCAL2 = 18 << 3,
    SYSLOG_LOCAL3 = 19 << 3,
    SYSLOG_LOCAL4 = 20 << 3,
    SYSLOG_LOCAL5 = 21 << 3,
    SYSLOG_LOCAL6 = 22 << 3,
    SYSLOG_LOCAL7 = 23 << 3
};
enum auth_type { AUTH_TRUST, AUTH_PASSWORD, AUTH_MD5, AUTH_SCRAM };

struct settings {
#define SETTING_TEXT(name, standard, reload, text)             const char *name;
#define SETTING_COUNT(name, standard, low, high, reload, text) int64_t name;
#define SETTING_OCTAL(name, standard, low, high, reload, text) int64_t name;
#define SETTING_FLAG(name, standard, reload, text)             bool name;
#define SETTING_SECONDS(name, standard, reload, text)          int64_t name##_us;
#define SETTING_CHOICE(name, type, standard, reload, text)     enum type name;
#include "proxy/settings.def"
#undef SETTING_TEXT
#undef SETTING_COUNT
#undef SETTING_OCTAL
#undef SETTING_FLAG
#undef SETTING_SECONDS
#undef SETTING_CHOICE
};

/* One line of settings.def, for those who work on all of them. */
enum setting_kind { SETTING_IS_TEXT, SETTING_IS_COUNT, SETTING_IS_OCTAL, SETTING_IS_FLAG, SETTING_IS_SECONDS, SETTING_IS_CHOICE };
struct setting_choice {
    const char *word;
    int value;
};
struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;                        /* of the member */
    const char *standard;                 /* as it would stand in the file */
    int64_t low, high;                    /* of a count or an octal number */
    const struct setting_choice *choices; /* of a choice: ended by a NULL word */
    bool can_reload;
    const char *text;
};

const struct setting *settings_list(size_t *count_out);
const struct setting *settings_find(const char *name); /* NULL: unknown */
/* All defaults. Their texts are constants. */
void settings_init(struct settings *settings);
/*
 * Set one member from the text of a file; texts are copied into `store`. 0, or -1 with what would have been right ("a number from 1 to
 * 65535") in `wanted_out`.
 */
int settings_set(struct settings *settings, const struct setting *setting, const char *value, struct text_store *store, char *wanted_out,
                 size_t wanted_size) __attribute__((warn_unused_result));
/* The value as it would stand in the file; cut at `size`. */
void settings_write(const struct settings *settings, const struct setting *setting, char *text_out, size_t size);
bool settings_is_equal(const struct settings *a, const struct settings *b, const struct setting *setting);

/* What libpq takes for sslmode. */
#define SETTINGS_SSLMODES "disable, allow, prefer, require, verify-ca, verify-full"

/* The words of a choice; ended by a NULL word. */
extern const struct setting_choice settings_pool_mode_choices[];
extern const struct setting_choice settings_auth_type_choices[];
extern const struct setting_choice settings_session_state_policy_choices[];
extern const struct setting_choice settings_analysis_choices[];
extern const struct setting_choice settings_log_format_choices[];
extern const struct setting_choice settings_syslog_facility_choices[];
/* NULL: `word` is none of them. */
const struct setting_choice *settings_find_choice(const struct setting_choice *choices, const char *word);

#endif
