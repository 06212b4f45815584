/*
 * Writes pgturnstile.ini(5) to standard output, from the tables that the program itself is made of: so what it knows is what is documented. Runs in
 * the build.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "proxy/settings.h"

struct key {
    const char *name, *standard, *text; /* standard: NULL where there is none to tell */
};

static const struct key database_keys[] = {
#define DATABASE_KEY(name, meaning, text)            {#name, NULL, text},
#define DATABASE_NUMBER(name, meaning, member, text) {#name, NULL, text},
#include "proxy/database_keys.def"
};

static const struct key user_keys[] = {
#define USER_KEY(name, meaning, text)            {#name, NULL, text},
#define USER_NUMBER(name, meaning, member, text) {#name, NULL, text},
#include "proxy/user_keys.def"
};

static const struct key class_keys[] = {
#define CLASS_COUNT(name, standard, low, high, text) {#name, #standard, text},
#define CLASS_SECONDS(name, standard, text)          {#name, #standard, text},
#define CLASS_TIMEOUT(name, text)                    {#name, NULL, text},
#include "proxy/class_keys.def"
};

/* Text for roff: no line begins with a control character, and a backslash or minus is itself. */
static void put(const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '\\': fputs("\\e", stdout); break;
        case '-': fputs("\\-", stdout); break;
        case '\'': fputs("\\(aq", stdout); break;
        case '^': fputs("\\(ha", stdout); break;
        case '~': fputs("\\(ti", stdout); break;
        case '`': fputs("\\(ga", stdout); break;
        default: putchar(*text);
        }
    }
}

/* A sentence a line, as roff wants it: then it knows where sentences end. */
static void put_sentences(const char *text)
{
    while (*text != '\0') {
        const char *end = text;
        while (*end != '\0' && !((*end == '.' || *end == ':') && end[1] == ' ' && isupper((unsigned char)end[2]))) end++;
        char line[1024];
        snprintf(line, sizeof line, "%.*s", (int)(end - text) + (*end != '\0'), text);
        put(line);
        putchar('\n');
        text = *end == '\0' ? end : end + 2;
    }
}

static void put_limits(const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_IS_TEXT:
    case SETTING_IS_FLAG: return;
    case SETTING_IS_COUNT: printf("From %lld to %lld.\n", (long long)setting->low, (long long)setting->high); return;
    case SETTING_IS_OCTAL: printf("Up to %04llo.\n", (unsigned long long)setting->high); return;
    case SETTING_IS_SECONDS: puts("In seconds."); return;
    case SETTING_IS_CHOICE:
        fputs("One of", stdout);
        for (const struct setting_choice *choice = setting->choices; choice->word != NULL; choice++) {
            fputs(choice == setting->choices ? " " : ", ", stdout);
            put(choice->word);
        }
        puts(".");
        return;
    }
}

static void put_setting(const struct setting *setting)
{
    fputs(".TP\n.B ", stdout);
    put(setting->name);
    putchar('\n');
    put_sentences(setting->text);
    put_limits(setting);
    if (*setting->standard != '\0') {
        fputs("Default: ", stdout);
        put(setting->standard);
        puts(".");
    }
    if (!setting->can_reload) puts("Needs a restart.");
}

static void put_keys(const struct key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fputs(".TP\n.B ", stdout);
        put(keys[i].name);
        putchar('\n');
        put_sentences(keys[i].text);
        if (keys[i].standard != NULL) printf("Default: %s.\n", keys[i].standard);
    }
}

static const char head[] = ".TH PGTURNSTILE.INI 5 \"2026-11-21\" \"pgturnstile\" \"File Formats\"\n"
                           ".SH NAME\n"
                           "pgturnstile.ini \\- configuration of pgturnstile\n"
                           ".SH DESCRIPTION\n"
                           "A section begins with its name in brackets; each line of it is a key, an equals sign and a value.\n"
                           "A line that begins with ; or # is a comment; behind a value there are none.\n"
                           "A value is the rest of its line without the blanks around it.\n"
                           "Times are seconds and may have fractions; flags are 0 or 1 (also no, yes, off, on, false, true).\n"
                           ".PP\n"
                           "A file that was made for PgBouncer is read as it is, with\n"
                           ".B [pgbouncer]\n"
                           "for\n"
                           ".BR [pgturnstile] .\n"
                           "What it sets and is not supported is refused by name, or ignored with a warning where that harms nobody.\n"
                           ".PP\n"
                           ".B pgturnstile check\n"
                           "says everything that is wrong with a file.\n"
                           "SIGHUP reads it again, and changes nothing when something is wrong in it.\n"
                           ".SH EXAMPLE\n"
                           ".EX\n"
                           "[databases]\n"
                           "* = host=127.0.0.1 port=5432\n\n"
                           "[pgturnstile]\n"
                           "listen_addr = 127.0.0.1\n"
                           "listen_port = 6432\n"
                           "auth_type = scram\\-sha\\-256\n"
                           "auth_file = /etc/pgturnstile/userlist.txt\n"
                           "budget = 85\n"
                           ".EE\n"
                           ".SH [pgturnstile]\n";

static const char databases[] = ".SH [databases]\n"
                                "A line for each database: its name for clients, an equals sign, and pairs\n"
                                ".IR key = value\n"
                                "with blanks between them.\n"
                                "A value with blanks stands in single quotes, where two of them are one.\n"
                                "The name * is for all databases without an entry of their own.\n"
                                "A section\n"
                                ".BI \"[database \" NAME ]\n"
                                "holds the same, a key a line.\n";

static const char users[] = ".SH [users]\nA line for each user that is to have something of its own, in the same form.\n";

static const char classes[] = ".SH [class NAME]\n"
                              "A class of work: which clients and statements belong to it, and what it may take of the budget.\n"
                              ".TP\n"
                              ".B match\n"
                              "What belongs to the class, as the sample configuration describes it.\n"
                              ".TP\n"
                              ".B share_by\n"
                              "By what the clients of the class take turns.\n";

static const char tail[] = ".SH SEE ALSO\n.BR pgturnstile (1)\n";

int main(void)
{
    size_t count;
    const struct setting *list = settings_list(&count);
    fputs(head, stdout);
    for (size_t i = 0; i < count; i++) put_setting(&list[i]);
    fputs(databases, stdout);
    put_keys(database_keys, sizeof database_keys / sizeof *database_keys);
    fputs(users, stdout);
    put_keys(user_keys, sizeof user_keys / sizeof *user_keys);
    fputs(classes, stdout);
    put_keys(class_keys, sizeof class_keys / sizeof *class_keys);
    fputs(tail, stdout);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
