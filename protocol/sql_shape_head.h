#ifndef PROTOCOL_SQL_SHAPE_HEAD_H
#define PROTOCOL_SQL_SHAPE_HEAD_H

#include "protocol/sql_shape_state.h"

/*
 * The first token of a statement that is no parenthesis, and those behind it up to where its body begins. Some statements end there: of SAVEPOINT, SET,
 * FETCH and others, names and values are no part of the shape. Of PREPARE and DECLARE, the query inside is the shape: is_head stays true then, and
 * this is called again.
 */
void sql_shape_head(struct sql_shape *shape);

#endif
