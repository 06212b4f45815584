/* Who may use the console. */
#include "proxy/console_access.h"

#include <criterion/criterion.h>

Test(console_access, databases)
{
    cr_expect(console_is_database("pgturnstile") && console_is_database("pgbouncer"));
    cr_expect_not(console_is_database("PgBouncer"));
    cr_expect_not(console_is_database(""));
    cr_expect_not(console_is_database("pgbouncer2"));
}

Test(console_access, roles)
{
    struct settings settings;
    settings_init(&settings);
    cr_expect_eq(console_role_of(&settings, "anybody"), CONSOLE_NOBODY);
    cr_expect_eq(console_role_of(&settings, ""), CONSOLE_NOBODY);
    settings.admin_users = "boss, chief\t,the other";
    settings.stats_users = " boss,look,,looker ";
    const struct {
        const char *user;
        enum console_role role;
    } users[] = {{"boss", CONSOLE_ADMIN},   {"chief", CONSOLE_ADMIN},  {"the other", CONSOLE_ADMIN}, {"look", CONSOLE_STATS},
                 {"looker", CONSOLE_STATS}, {"Boss", CONSOLE_NOBODY},  {"bos", CONSOLE_NOBODY},      {"bosss", CONSOLE_NOBODY},
                 {"", CONSOLE_NOBODY},      {"boss,", CONSOLE_NOBODY}, {"other", CONSOLE_NOBODY},    {",", CONSOLE_NOBODY}};
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++)
        cr_expect_eq(console_role_of(&settings, users[i].user), users[i].role, "\"%s\"", users[i].user);
}
