/* The tables of keywords. What they mean is known to sql_shape. */
#include "protocol/sql_keyword.h"

#define OPERAND SQL_KEYWORD_OPERAND
#define SPACE   SQL_KEYWORD_SPACE
#define TYPE    SQL_KEYWORD_TYPE
#define CLAUSE  SQL_KEYWORD_CLAUSE
const struct sql_keyword_entry sql_keywords[KW_COUNT] = {
    [KW_IDENTIFIER] = {"", 0, 0, SQL_CLASS_OTHER},
#define X(name, text, first, middle, before_last, last, flags, class) [name] = {text, sizeof text - 1, flags, class},
#include "protocol/sql_keywords.def"
#undef X
};

const uint8_t sql_keyword_slots[SQL_KEYWORD_SLOT_COUNT] = {
#define X(name, text, first, middle, before_last, last, flags, class) \
    [SQL_KEYWORD_SLOT(first, middle, before_last, last, sizeof text - 1)] = name,
#include "protocol/sql_keywords.def"
#undef X
};
