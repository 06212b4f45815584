/* Where we are in a statement, as the keywords tell: its main verb, its clauses. They are put by sql_shape.c. */
#include "protocol/sql_shape_keyword.h"

void sql_shape_main_verb(struct sql_shape *shape, enum sql_keyword keyword)
{
    enum sql_class class = (enum sql_class)sql_keywords[keyword].class;
    shape->out->class = class;
    shape->is_with = false;
    shape->main_depth = shape->depth;
    switch ((int)keyword) {
    case KW_SELECT: shape->out->verb = SQL_VERB_SELECT; break;
    case KW_VALUES: shape->out->verb = SQL_VERB_SELECT; break;
    case KW_TABLE:
        shape->out->verb = SQL_VERB_SELECT;
        shape->has_from = true;
        break;
    case KW_INSERT: shape->out->verb = SQL_VERB_INSERT; break;
    case KW_UPDATE: shape->out->verb = SQL_VERB_UPDATE; break;
    case KW_DELETE: shape->out->verb = SQL_VERB_DELETE; break;
    case KW_MERGE: shape->out->verb = SQL_VERB_MERGE; break;
    default: break;
    }
}

/* A verb behind WITH: of the statement itself, or of one of its queries. */
static void verb_in_with(struct sql_shape *shape, enum sql_keyword keyword)
{
    uint8_t class = sql_keywords[keyword].class;
    if (class != SQL_CLASS_READ && class != SQL_CLASS_WRITE) return;
    if (shape->depth > shape->main_depth) {
        shape->out->has_inner_write |= class == SQL_CLASS_WRITE && shape->item == ITEM_OPEN;
    } else if (shape->item == ITEM_CLOSE || shape->item == ITEM_NAME) {
        sql_shape_main_verb(shape, keyword);
    }
}

/* "extract(year from x)" and "is distinct from" are no lists of tables. */
static void from(struct sql_shape *shape)
{
    bool is_distinct = shape->item == KW_DISTINCT && (shape->before == KW_IS || shape->before == KW_NOT);
    if ((*sql_shape_level(shape) & IN_QUERY) == 0 || is_distinct) return;
    shape->has_from = true;
    *sql_shape_level(shape) = (uint16_t)((*sql_shape_level(shape) & ~(IN_BY | IN_SET | IN_PAGING)) | IN_FROM);
    shape->relations.state = RELATION_EXPECTED;
}

void sql_shape_keyword(struct sql_shape *shape, enum sql_keyword keyword)
{
    uint16_t *flags = sql_shape_level(shape);
    uint8_t of_keyword = sql_keywords[keyword].flags;
    if (of_keyword & SQL_KEYWORD_CLAUSE) *flags &= (uint8_t) ~(IN_FROM | IN_BY | IN_PAGING | IN_SET);
    switch ((int)keyword) {
    case KW_SELECT:
        *flags = IN_QUERY;
        shape->rows.state = ROWS_NONE;
        break;
    case KW_UPDATE:
    case KW_DELETE: *flags |= IN_QUERY; break;
    case KW_FROM: from(shape); break;
    case KW_JOIN: shape->relations.state = RELATION_EXPECTED; break;
    case KW_BY:
        if (shape->item == KW_ORDER || shape->item == KW_GROUP) *flags |= IN_BY;
        break;
    case KW_LIMIT:
    case KW_FETCH:
        shape->out->has_limit |= shape->depth <= shape->main_depth;
        *flags |= IN_PAGING;
        break;
    case KW_OFFSET: *flags |= IN_PAGING; break;
    case KW_SET: *flags |= IN_SET; break;
    default: break;
    }
    if (shape->is_with) verb_in_with(shape, keyword);
    if (keyword != KW_VARYING && keyword != KW_PRECISION)
        shape->is_in_type = (of_keyword & SQL_KEYWORD_TYPE) || (keyword == KW_AS && (*flags & IN_CAST));
}
