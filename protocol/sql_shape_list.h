#ifndef PROTOCOL_SQL_SHAPE_LIST_H
#define PROTOCOL_SQL_SHAPE_LIST_H

#include "protocol/sql_shape_state.h"

/* In front of the parenthesis of IN or the bracket of ARRAY, which is not put yet. */
void sql_shape_open_list(struct sql_shape *shape, bool is_array);
/* An item while the list is open. True: it closes the list. One that cannot be in a list ends the attempt. */
bool sql_shape_step_list(struct sql_shape_list *list, enum item item);
/* The list as one token, instead of what has been put since it was opened. Its literals lose their numbers. */
void sql_shape_close_list(struct sql_shape *shape);

/* The same for the rows of VALUES. */
void sql_shape_open_rows(struct sql_shape *shape);
/* Another row, read by its tokens. */
void sql_shape_next_row(struct sql_shape *shape);
void sql_shape_close_rows(struct sql_shape *shape);

#endif
