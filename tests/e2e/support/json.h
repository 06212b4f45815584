#ifndef TESTS_E2E_SUPPORT_JSON_H
#define TESTS_E2E_SUPPORT_JSON_H

/*
 * A value of a JSON text by an SQL expression over `j`, its jsonb: "j->'classes'->0->>'name'". PostgreSQL judges whether it is JSON: the test fails if not. "" for NULL.
 * Valid as with sql_value.
 */
const char *json_value(const char *json, const char *expression);

#endif
