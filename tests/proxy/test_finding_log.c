#include "proxy/finding_log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/log.h"

static char path[] = "/tmp/pgturnstile-finding-log-XXXXXX";

static const char *line_of(const struct finding_notice *notice, const struct observation *observation)
{
    static char text[4096];
    FILE *file = fopen(path, "w");
    fclose(file);
    finding_log(notice, observation);
    file = fopen(path, "r");
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    cr_assert_eq(strchr(text, '\n'), text + size - 1, "one line: %s", text);
    return text;
}

Test(finding_log, has_what_a_person_needs)
{
    struct finding finding = {.id = "0123456789abcdef"};
    struct finding_notice notice = {.finding = &finding, .is_wanted = true, .suppressed = 4};
    struct observation observation = {
        .database = "shop",
        .user = "web",
        .route = "/api/businesses",
        .shape = "select * from biz_user where id = $1",
        .verdict = VERDICT_N_PLUS_ONE,
        .confidence = CONFIDENCE_PROVEN,
        .severity = SEVERITY_CRITICAL,
        .unit_kind = UNIT_TAG,
        .counts = {.n = 44, .distinct = 42, .duplicates = 2, .round_trips = 44, .first_us = 1000, .last_us = 54200, .db_us = 20001},
        .lost_us = 31050,
        .unit_statements = 176,
        .address = "10.0.0.7:1",
        .unit_text = "0af7",
        .feed = {.link = LINK_TO_ONE, .column = {.table_oid = 9, .attnum = 2, .label = "owner_id"}, .rows = 44},
    };
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    close(file);
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    const char *line = line_of(&notice, &observation);
    static const char *const parts[] = {
        " warning duplicate_queries ",
        "verdict=n_plus_one",
        "title=N+1 ",
        "confidence=proven",
        "severity=critical",
        " n=44 ",
        "distinct=42",
        "dup=2",
        "round_trips=44",
        "lost_ms=31.050",
        "db_ms=20.001",
        "wall_ms=53.200",
        "unit=tag",
        "unit_statements=176",
        "database=shop",
        "user=web",
        "route=/api/businesses",
        "request=0af7",
        "parent=owner_id",
        "parent_rows=44",
        "link=to_one",
        "suppressed=4",
        "id=0123456789abcdef",
        "shape=\"select * from biz_user where id = $1\"",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) cr_expect_not_null(strstr(line, parts[i]), "%s is not in %s", parts[i], line);

    strcpy(finding.parent.table, "biz_business");
    strcpy(finding.parent.column, "owner_id");
    finding.parent.table_oid = 9;
    finding.parent.attnum = 2;
    observation.is_lower_bound = true;
    observation.severity = SEVERITY_INFO;
    notice.suppressed = 0;
    line = line_of(&notice, &observation);
    cr_expect_not_null(strstr(line, "parent=biz_business.owner_id"), "%s", line);
    cr_expect_not_null(strstr(line, ">=44"), "%s", line);
    cr_expect_not_null(strstr(line, " info "), "%s", line);
    cr_expect_null(strstr(line, "suppressed"));
    unlink(path);
}
