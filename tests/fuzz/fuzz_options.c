/* protocol/frontend.h, the `options` parameter: it ends, stays in its scratch, and its settings survive being written again. */
#include "protocol/frontend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "-c name=value " with every byte escaped: at most two bytes for one, and the rest. */
static size_t write_setting(char *to, const char *name, const char *value)
{
    size_t size = 0;
    const char *const parts[] = {name, "=", value};
    memcpy(to, "-c ", 3);
    size += 3;
    for (size_t i = 0; i < 3; i++) {
        for (const char *c = parts[i]; *c != '\0'; c++) {
            to[size++] = '\\';
            to[size++] = *c;
        }
    }
    to[size++] = ' ';
    to[size] = '\0';
    return size;
}

static void check_written_again(const char *name, const char *value)
{
    size_t size = 2 * (strlen(name) + strlen(value) + 1) + 5;
    char *text = malloc(size);
    char *scratch = malloc(size + 1);
    const char *other_name;
    const char *other_value;
    const char *why;
    struct frontend_options options;
    assert(write_setting(text, name, value) == size - 1);
    frontend_options_init(&options, text, scratch);
    assert(frontend_options_next(&options, &other_name, &other_value, &why) == CODEC_OK);
    assert(strcmp(name, other_name) == 0 && strcmp(value, other_value) == 0);
    assert(frontend_options_next(&options, &other_name, &other_value, &why) == CODEC_OK && other_name == NULL);
    free(text);
    free(scratch);
}

static void check_setting(const char *scratch, size_t scratch_size, const char *name, const char *value)
{
    assert(name >= scratch && value > name && value + strlen(value) < scratch + scratch_size);
    assert(*name != '\0' && strpbrk(name, "-=") == NULL);
    check_written_again(name, value);
}

static void check_text(const char *text)
{
    size_t scratch_size = strlen(text) + 2;
    char *scratch = malloc(scratch_size);
    struct frontend_options options;
    frontend_options_init(&options, text, scratch);
    bool is_at_end = false;
    while (!is_at_end) {
        const char *name;
        const char *value;
        const char *why = NULL;
        const char *before = options.next;
        enum codec_result result = frontend_options_next(&options, &name, &value, &why);
        assert(result != CODEC_MORE);
        assert(options.next >= before && options.next <= text + strlen(text));
        is_at_end = name == NULL;
        if (result == CODEC_BAD) assert(why != NULL && *why != '\0' && name == NULL && *options.next == '\0');
        if (name == NULL) continue;
        assert(options.next > before);
        check_setting(scratch, scratch_size, name, value);
    }
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    check_text(text);
    free(text);
    return 0;
}
