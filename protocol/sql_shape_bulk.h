#ifndef PROTOCOL_SQL_SHAPE_BULK_H
#define PROTOCOL_SQL_SHAPE_BULK_H

#include "protocol/sql_shape_state.h"

/*
 * Lists without reading each token: IN (1, 2, 3), ARRAY[1, 2], VALUES (1, 'a'), (2, NULL). Of these only the literals count, and what is looked at
 * byte by byte here is what sql_lex and sql_shape would say.
 *
 * Behind the opening parenthesis or bracket of a list, or the one of a first row. If nothing but plain literals follows up to where the list or the last row
 * closes, they are recorded, and the reading goes on at what closes; otherwise nothing has changed.
 */
void sql_shape_take_list(struct sql_shape *shape);
void sql_shape_take_rows(struct sql_shape *shape);

#endif
