/* The table of SHOWs. What their rows hold is made in admin_show*.c. */
#include "proxy/admin_shows.h"

#include <strings.h>

static const struct show shows[] = {
#define SHOW(id_, name_, rows, role_, text_) {.id = id_, .name = name_, .role = role_, .text = text_},
#define COLUMN(name, type, text)
#include "proxy/admin_shows.def"
#undef SHOW
#undef COLUMN
};

/* Those of all, each SHOW's behind an entry without a name. */
static const struct show_column columns[] = {
#define SHOW(id, name_, rows, role, text_) {.name = NULL},
#define COLUMN(name_, type_, text_)        {.name = name_, .type = COLUMN_##type_, .text = text_},
#include "proxy/admin_shows.def"
#undef SHOW
#undef COLUMN
};
enum { ENTRIES = sizeof columns / sizeof columns[0] };

const struct show *admin_show_of(enum show_id id)
{
    return &shows[id];
}

const struct show *admin_show_find(const char *name)
{
    for (unsigned i = 0; i < SHOW_COUNT; i++)
        if (strcasecmp(shows[i].name, name) == 0) return &shows[i];
    return NULL;
}

const struct show_column *admin_show_columns(enum show_id id, uint16_t *count_out)
{
    unsigned at = 0;
    for (unsigned heads = 0; heads <= (unsigned)id; at++)
        if (!columns[at].name) heads++;
    uint16_t count = 0;
    while (at + count < ENTRIES && columns[at + count].name) count++;
    *count_out = count;
    return &columns[at];
}

uint32_t column_type_oid(enum column_type type)
{
    switch (type) {
    case COLUMN_TEXT: return 25;
    case COLUMN_INT: return 23;
    case COLUMN_BIG: return 20;
    case COLUMN_NUMERIC: return 1700;
    case COLUMN_REAL: return 701;
    case COLUMN_TIME: return 1184;
    case COLUMN_BYTES: return 17;
    }
    return 25;
}

int16_t column_type_size(enum column_type type)
{
    switch (type) {
    case COLUMN_INT: return 4;
    case COLUMN_BIG:
    case COLUMN_REAL:
    case COLUMN_TIME: return 8;
    case COLUMN_TEXT:
    case COLUMN_NUMERIC:
    case COLUMN_BYTES: return -1;
    }
    return -1;
}
