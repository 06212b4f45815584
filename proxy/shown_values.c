/* Which value stands where. How it is shown is value_text.c's. */
#include "proxy/shown_values.h"

#include "proxy/bind_values.h"

void shown_values_of_query(struct value_text *line, const struct sql_fingerprint *fingerprint, const char *text)
{
    value_text_begin(line);
    for (uint32_t i = 0; i < fingerprint->literal_count && i < SQL_LITERALS_MAX; i++) {
        const struct sql_literal *literal = &fingerprint->literals[i];
        if (literal->kind != SQL_LITERAL_PARAMETER) value_text_add_literal(line, literal->slot, text, literal);
    }
    value_text_end(line);
}

/* NULL: there is no such argument. */
static const struct sql_literal *find_argument(const struct sql_fingerprint *arguments, uint16_t number)
{
    for (uint32_t i = 0; i < arguments->literal_count && i < SQL_LITERALS_MAX; i++)
        if (arguments->literals[i].number == number && arguments->literals[i].kind != SQL_LITERAL_PARAMETER) return &arguments->literals[i];
    return NULL;
}

void shown_values_of_execute(struct value_text *line, const struct statement_slots *slots, const struct sql_fingerprint *arguments,
                             const char *text)
{
    value_text_begin(line);
    for (uint16_t i = 0; i < slots->source_count; i++) {
        uint16_t number = slots->sources[i].parameter;
        const struct sql_literal *literal = number > 0 ? find_argument(arguments, number) : NULL;
        if (literal) value_text_add_literal(line, slots->sources[i].slot, text, literal);
    }
    value_text_end(line);
}

void shown_values_of_bind(struct value_text *line, const struct statement_slots *slots, const uint8_t *data, size_t size,
                          const uint32_t *types, size_t type_count)
{
    struct value_bytes values[BIND_VALUES_MAX];
    uint16_t count = bind_values_list(data, size, types, type_count, values);
    value_text_begin(line);
    for (uint16_t i = 0; i < slots->source_count; i++) {
        uint16_t number = slots->sources[i].parameter;
        if (number > 0 && number <= count) value_text_add(line, slots->sources[i].slot, &values[number - 1]);
    }
    value_text_end(line);
}
