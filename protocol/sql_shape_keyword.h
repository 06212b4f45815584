#ifndef PROTOCOL_SQL_SHAPE_KEYWORD_H
#define PROTOCOL_SQL_SHAPE_KEYWORD_H

#include "protocol/sql_shape_state.h"

/* The verb that says what the statement is. */
void sql_shape_main_verb(struct sql_shape *shape, enum sql_keyword keyword);
/* What a keyword in the body says about where we are. It has not been put yet. */
void sql_shape_keyword(struct sql_shape *shape, enum sql_keyword keyword);

#endif
