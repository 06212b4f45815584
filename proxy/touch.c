/* What statements do to their sessions, as far as their text shows. What follows from it is inquiry.c's and lease.c's. */
#include "proxy/touch.h"

#include <string.h>

#include "protocol/bytes.h"
#include "proxy/client_text.h"

/* CREATE makes temporary objects where search_path says so; while that is being set or asked for, it may. */
static bool may_have_temporary_path(const struct client *client, uint32_t effects)
{
    if (((client->touched | effects) & EFFECT_SET) || client->server->inquiry) return true;
    const char *path = session_state_get(client->settings, "search_path");
    return path && strstr(path, "pg_temp");
}

void touch_by_effects(struct client *client, uint32_t effects)
{
    if ((effects & EFFECT_CREATE) && may_have_temporary_path(client, effects)) effects |= EFFECT_TEMP;
    /* What SQL has prepared may do anything when it is executed. */
    bool may_be_of_sql = client->pins || client->server->inquiry || ((client->touched | effects) & EFFECT_PREPARE);
    if ((effects & EFFECT_EXECUTE) && may_be_of_sql) effects |= EFFECT_OPAQUE_CODE;
    client->touched |= effects & EFFECTS_TO_ASK;
    if (client->pins) client->touched |= EFFECT_RAN;
}

/* What the text may do besides, by functions of the database. */
uint32_t touch_effects_of_functions(struct client *client, uint32_t effects, const char *text, size_t size)
{
    struct pool *pool = client->pool;
    bool has_functions = !function_names_is_empty(&pool->functions);
    if (!has_functions && !(effects & EFFECT_CREATE)) return 0;
    if (!client_text_is_scannable(client)) return 0;
    enum sql_strings strings = client_text_strings(client);
    if (effects & EFFECT_CREATE) function_names_add_created(&pool->functions, text, size, strings);
    bool are_called = !function_names_is_empty(&pool->functions) && function_names_are_called(&pool->functions, text, size, strings);
    return are_called ? EFFECT_OPAQUE_CODE : 0;
}

void touch_note_names(struct client *client, uint32_t effects, const char *text, size_t size)
{
    if (effects & EFFECTS_ON_SETTINGS)
        inquiry_note_names(client, text, size, client_text_is_scannable(client), client_text_strings(client));
}

uint32_t touch_by_text_of(struct client *client, const struct statement *statement)
{
    const char *text = (const char *)statement->tail;
    if (statement->effects == 0 && function_names_is_empty(&client->pool->functions)) return 0;
    uint32_t effects = statement->effects | touch_effects_of_functions(client, statement->effects, text, strlen(text));
    touch_note_names(client, effects, text, strlen(text));
    return effects;
}

/* The parameters of a Bind, of which one may be the name of a setting. What cannot be read is no concern of ours. */
void touch_note_parameters(struct client *client, const uint8_t *data, size_t size)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, data, size);
    bytes_read_block(&reader, (size_t)bytes_read_u16(&reader) * sizeof(uint16_t)); /* formats */
    for (unsigned left = bytes_read_u16(&reader); left > 0 && !reader.has_failed; left--) {
        uint32_t length = bytes_read_u32(&reader);
        const uint8_t *value = length == UINT32_MAX ? NULL : bytes_read_block(&reader, length);
        if (value) inquiry_note_name(client, (const char *)value, length);
    }
}
