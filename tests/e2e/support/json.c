/* JSON as PostgreSQL reads it. */
#include "tests/e2e/support/json.h"

#include <string.h>

#include "tests/e2e/support/sql.h"

const char *json_value(const char *json, const char *expression)
{
    char *literal = PQescapeLiteral(sql_direct(), json, strlen(json));
    const char *value = sql_value(sql_direct(), "select %s from (select %s::jsonb) as parsed(j)", expression, literal);
    PQfreemem(literal);
    return value;
}
