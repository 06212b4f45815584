/* Names for the classes of statements. */
#include "protocol/sql_class.h"

const char *sql_class_name(enum sql_class class)
{
    switch (class) {
#define X(name, text) \
    case name:        \
        return text;
#include "protocol/sql_classes.def"
#undef X
    }
    return "?";
}
