/*
 * settings.def as a table: defaults, a setter that takes text, comparison. What settings mean together is checked in config.c.
 */
#include "proxy/settings.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proxy/config_text.h"

const struct setting_choice settings_pool_mode_choices[] = {
    {"session", POOL_MODE_SESSION},
    {"transaction", POOL_MODE_TRANSACTION},
    {"statement", POOL_MODE_STATEMENT},
    {NULL, 0},
};

const struct setting_choice settings_auth_type_choices[] = {
    {"trust", AUTH_TRUST}, {"password", AUTH_PASSWORD},   {"plain", AUTH_PASSWORD},
    {"md5", AUTH_MD5},     {"scram-sha-256", AUTH_SCRAM}, {NULL, 0},
};

const struct setting_choice settings_session_state_policy_choices[] = {
    {"pin", SESSION_STATE_PIN},
    {"refuse", SESSION_STATE_REFUSE},
    {NULL, 0},
};

const struct setting_choice settings_analysis_choices[] = {
    {"off", ANALYSIS_OFF},
    {"fingerprint", ANALYSIS_FINGERPRINT},
    {"full", ANALYSIS_FULL},
    {NULL, 0},
};

const struct setting_choice settings_log_format_choices[] = {
    {"text", LOG_FORMAT_TEXT},
    {"json", LOG_FORMAT_JSON},
    {NULL, 0},
};

const struct setting_choice settings_syslog_facility_choices[] = {
    {"auth", SYSLOG_AUTH},
    {"authpriv", SYSLOG_AUTHPRIV},
    {"daemon", SYSLOG_DAEMON},
    {"user", SYSLOG_USER},
    {"local0", SYSLOG_LOCAL0},
    {"local1", SYSLOG_LOCAL1},
    {"local2", SYSLOG_LOCAL2},
    {"local3", SYSLOG_LOCAL3},
    {"local4", SYSLOG_LOCAL4},
    {"local5", SYSLOG_LOCAL5},
    {"local6", SYSLOG_LOCAL6},
    {"local7", SYSLOG_LOCAL7},
    {NULL, 0},
};

#define MEMBER(member) .offset = offsetof(struct settings, member)
#define SETTING_TEXT(name_, standard_, reload, text_) \
    {.name = #name_, .kind = SETTING_IS_TEXT, MEMBER(name_), .standard = standard_, .can_reload = reload, .text = text_},
#define SETTING_NUMBER(name_, kind_, standard_, low_, high_, reload, text_) \
    {.name = #name_, .kind = kind_, MEMBER(name_), .standard = #standard_, .low = low_, .high = high_, .can_reload = reload, .text = text_},
#define SETTING_COUNT(name_, standard_, low_, high_, reload, text_) \
    SETTING_NUMBER(name_, SETTING_IS_COUNT, standard_, low_, high_, reload, text_)
#define SETTING_OCTAL(name_, standard_, low_, high_, reload, text_) \
    SETTING_NUMBER(name_, SETTING_IS_OCTAL, standard_, low_, high_, reload, text_)
#define SETTING_FLAG(name_, standard_, reload, text_) \
    {.name = #name_, .kind = SETTING_IS_FLAG, MEMBER(name_), .standard = (standard_) ? "1" : "0", .can_reload = reload, .text = text_},
#define SETTING_SECONDS(name_, standard_, reload, text_) \
    {.name = #name_, .kind = SETTING_IS_SECONDS, MEMBER(name_##_us), .standard = #standard_, .can_reload = reload, .text = text_},
#define SETTING_CHOICE(name_, type_, standard_, reload, text_) \
    {.name = #name_,                                           \
     .kind = SETTING_IS_CHOICE,                                \
     MEMBER(name_),                                            \
     .standard = standard_,                                    \
     .choices = settings_##type_##_choices,                    \
     .can_reload = reload,                                     \
     .text = text_},
static const struct setting table[] = {
#include "proxy/settings.def"
};

enum { TABLE_COUNT = sizeof table / sizeof *table };
_Static_assert(sizeof(enum pool_mode) == sizeof(int) && sizeof(enum auth_type) == sizeof(int) &&
                   sizeof(enum session_state_policy) == sizeof(int) && sizeof(enum analysis) == sizeof(int) &&
                   sizeof(enum log_format) == sizeof(int) && sizeof(enum syslog_facility) == sizeof(int),
               "choices are stored as int");

const struct setting *settings_list(size_t *count_out)
{
    *count_out = TABLE_COUNT;
    return table;
}

const struct setting *settings_find(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) return &table[i];
    }
    return NULL;
}

const struct setting_choice *settings_find_choice(const struct setting_choice *choices, const char *word)
{
    for (; choices->word != NULL; choices++) {
        if (strcasecmp(choices->word, word) == 0) return choices;
    }
    return NULL;
}

/* Store a value that text was read from. `text` itself is stored, not copied. */
static bool assign(struct settings *settings, const struct setting *setting, const char *text)
{
    char *member = (char *)settings + setting->offset;
    const struct setting_choice *choice;
    switch (setting->kind) {
    case SETTING_IS_TEXT: memcpy(member, &text, sizeof text); return true;
    case SETTING_IS_COUNT: return config_text_number(text, 10, setting->low, setting->high, (int64_t *)(void *)member);
    case SETTING_IS_OCTAL: return config_text_number(text, 8, setting->low, setting->high, (int64_t *)(void *)member);
    case SETTING_IS_FLAG: return config_text_flag(text, (bool *)(void *)member);
    case SETTING_IS_SECONDS: return config_text_seconds(text, (int64_t *)(void *)member);
    case SETTING_IS_CHOICE:
        choice = settings_find_choice(setting->choices, text);
        if (choice != NULL) memcpy(member, &choice->value, sizeof choice->value);
        return choice != NULL;
    }
    return false;
}

void settings_init(struct settings *settings)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        bool is_assigned = assign(settings, &table[i], table[i].standard);
        assert(is_assigned);
        (void)is_assigned;
    }
}

static void describe_choices(const struct setting_choice *choices, char *text_out, size_t size)
{
    size_t used = (size_t)snprintf(text_out, size, "one of");
    for (const struct setting_choice *choice = choices; choice->word != NULL && used < size; choice++)
        used += (size_t)snprintf(text_out + used, size - used, "%s %s", choice == choices ? "" : ",", choice->word);
}

static void describe_wanted(const struct setting *setting, char *text_out, size_t size)
{
    switch (setting->kind) {
    case SETTING_IS_TEXT: snprintf(text_out, size, "a text"); return;
    case SETTING_IS_COUNT:
        snprintf(text_out, size, "a number from %lld to %lld", (long long)setting->low, (long long)setting->high);
        return;
    case SETTING_IS_OCTAL:
        snprintf(text_out, size, "an octal number from %04llo to %04llo", (unsigned long long)setting->low,
                 (unsigned long long)setting->high);
        return;
    case SETTING_IS_FLAG: snprintf(text_out, size, "0 or 1 (or no, yes, off, on, false, true)"); return;
    case SETTING_IS_SECONDS: snprintf(text_out, size, "a time in seconds from 0 to %d, such as 15 or 0.5", CONFIG_SECONDS_MAX); return;
    case SETTING_IS_CHOICE: describe_choices(setting->choices, text_out, size); return;
    }
}

int settings_set(struct settings *settings, const struct setting *setting, const char *value, struct text_store *store, char *wanted_out,
                 size_t wanted_size)
{
    if (setting->kind == SETTING_IS_TEXT) value = text_store_add(store, value);
    if (assign(settings, setting, value)) return 0;
    describe_wanted(setting, wanted_out, wanted_size);
    return -1;
}

static const char *word_of(const struct setting_choice *choices, int value)
{
    for (; choices->word != NULL; choices++)
        if (choices->value == value) return choices->word;
    return "";
}

/* No more digits than it needs. */
static void write_seconds(int64_t us, char *text_out, size_t size)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%lld.%06lld", (long long)(us / 1000000), (long long)(us % 1000000));
    while (text[length - 1] == '0') length--;
    if (text[length - 1] == '.') length--;
    snprintf(text_out, size, "%.*s", length, text);
}

void settings_write(const struct settings *settings, const struct setting *setting, char *text_out, size_t size)
{
    const char *member = (const char *)settings + setting->offset;
    const char *text;
    int64_t number;
    bool flag;
    int choice;
    switch (setting->kind) {
    case SETTING_IS_TEXT:
        memcpy(&text, member, sizeof text);
        snprintf(text_out, size, "%s", text);
        return;
    case SETTING_IS_COUNT:
        memcpy(&number, member, sizeof number);
        snprintf(text_out, size, "%lld", (long long)number);
        return;
    case SETTING_IS_OCTAL:
        memcpy(&number, member, sizeof number);
        snprintf(text_out, size, "%04llo", (unsigned long long)number);
        return;
    case SETTING_IS_FLAG:
        memcpy(&flag, member, sizeof flag);
        snprintf(text_out, size, "%d", flag);
        return;
    case SETTING_IS_SECONDS:
        memcpy(&number, member, sizeof number);
        write_seconds(number, text_out, size);
        return;
    case SETTING_IS_CHOICE:
        memcpy(&choice, member, sizeof choice);
        snprintf(text_out, size, "%s", word_of(setting->choices, choice));
        return;
    }
}

bool settings_is_equal(const struct settings *a, const struct settings *b, const struct setting *setting)
{
    const char *in_a = (const char *)a + setting->offset;
    const char *in_b = (const char *)b + setting->offset;
    const char *text_a;
    const char *text_b;
    switch (setting->kind) {
    case SETTING_IS_TEXT:
        memcpy(&text_a, in_a, sizeof text_a);
        memcpy(&text_b, in_b, sizeof text_b);
        return strcmp(text_a, text_b) == 0;
    case SETTING_IS_COUNT:
    case SETTING_IS_OCTAL:
    case SETTING_IS_SECONDS: return memcmp(in_a, in_b, sizeof(int64_t)) == 0;
    case SETTING_IS_FLAG: return memcmp(in_a, in_b, sizeof(bool)) == 0;
    case SETTING_IS_CHOICE: return memcmp(in_a, in_b, sizeof(int)) == 0;
    }
    return false;
}
