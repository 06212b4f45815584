/* protocol/sql_setting_names.h: the input is SQL text. */
#include "protocol/sql_setting_names.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const char *text;
    size_t size;
    bool is_within; /* names lie within the text: no quotes are taken out of them */
    size_t count;
};

static void check_name(void *context, const char *name, size_t size)
{
    struct input *input = context;
    input->count++;
    if (!name) return;
    assert(size > 0 && size <= SQL_SETTING_NAME_MAX && size <= input->size);
    assert(sql_is_setting_name(name, size));
    if (input->is_within) assert(name >= input->text && name + size <= input->text + input->size);
}

/* A name takes three bytes at least, and is found once on each level of code within code. */
static void check(const char *text, size_t size, enum sql_strings strings)
{
    struct input input = {.text = text, .size = size};
    sql_setting_names(text, size, strings, check_name, &input);
    assert(input.count <= 4 * size / 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct input input = {.text = text, .size = size, .is_within = true};
    check(text, size, SQL_STRINGS_STANDARD);
    check(text, size, SQL_STRINGS_BACKSLASH);
    sql_setting_names_anywhere(text, size, check_name, &input);
    assert(input.count <= size / 3);
    return 0;
}
