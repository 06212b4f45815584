/*
 * Takes apart a connection string, postgres://... or key=value, for the ./run script: one line "keyword=value" for each keyword it
 * sets, percent-escapes and quotes resolved by libpq itself. Not for connecting.
 *
 * Invariants: the string comes from the environment variable DATABASE_URL, never from the command line that all can see; nothing of it
 * goes into an error message, since it may hold a password.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    const char *text = getenv("DATABASE_URL");
    if (text == NULL || text[0] == '\0') {
        fputs("DATABASE_URL is empty\n", stderr);
        return 1;
    }
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(text, &message);
    if (options == NULL) {
        fputs("DATABASE_URL is no connection string: libpq takes postgres://user:password@host:port/database?key=value, with %XX for "
              "special characters in each part, and \"key='value' ...\"\n",
              stderr);
        PQfreemem(message);
        return 1;
    }
    int status = 0;
    for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (option->val == NULL) continue;
        if (strpbrk(option->val, "\r\n") != NULL) {
            fprintf(stderr, "DATABASE_URL: the value of %s contains a line break\n", option->keyword);
            status = 1;
            break;
        }
        printf("%s=%s\n", option->keyword, option->val);
    }
    PQconninfoFree(options);
    return status;
}
