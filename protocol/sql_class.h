#ifndef PROTOCOL_SQL_CLASS_H
#define PROTOCOL_SQL_CLASS_H

/* From sql_classes.def. */
enum sql_class {
#define X(name, text) name,
#include "protocol/sql_classes.def"
#undef X
};
/* "read" */
const char *sql_class_name(enum sql_class class);

#endif
