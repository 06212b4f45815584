/* The console's parser: every statement uses something up, an error has its words, and the texts it gives are texts. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proxy/admin_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t position = 0; position < size;) {
        struct admin_command command;
        size_t used;
        const char *why, *hint;
        enum codec_result result = admin_parse((const char *)data + position, size - position, &command, &used, &why, &hint);
        assert(used > 0 && used <= size - position);
        assert(result == (why ? CODEC_BAD : CODEC_OK));
        assert(memchr(command.argument, '\0', sizeof command.argument) && memchr(command.value, '\0', sizeof command.value));
        assert(result != CODEC_OK ||
               (command.verb < VERB_COUNT && *admin_command_tag(&command) && admin_command_role(&command) > CONSOLE_NOBODY));
        assert(result != CODEC_OK || command.verb != VERB_SHOW || command.show < SHOW_COUNT);
        position += used;
    }
    return 0;
}
