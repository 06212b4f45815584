/* protocol/frontend.h, startup packets: what is read can be written, and a prefix never says more than MORE. */
#include "protocol/frontend.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Name and value of at least one and no byte, each with its NUL, so no more strings than bytes. */
static void write_parameters(struct bytes_writer *writer, const struct frontend_startup *startup)
{
    const char *pairs[FRONTEND_STARTUP_SIZE_MAX + 1];
    size_t count = 0;
    struct bytes_reader parameters = startup->parameters;
    const char *begin = (const char *)parameters.data;
    const char *end = begin + parameters.size;
    while (frontend_next_parameter(&parameters, &pairs[count], &pairs[count + 1])) {
        assert(pairs[count] >= begin && pairs[count] < pairs[count + 1] && pairs[count + 1] < end);
        assert(*pairs[count] != '\0');
        count += 2;
    }
    assert(bytes_reader_is_done(&parameters));
    pairs[count] = NULL;
    frontend_write_startup(writer, startup->version_major, startup->version_minor, pairs);
}

static void check_packet(const uint8_t *data, const struct frontend_startup *startup)
{
    uint8_t buffer[FRONTEND_STARTUP_SIZE_MAX];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, startup->packet_size);
    switch (startup->kind) {
    case FRONTEND_SSL_REQUEST: frontend_write_ssl_request(&writer); break;
    case FRONTEND_GSSENC_REQUEST: frontend_write_gssenc_request(&writer); break;
    case FRONTEND_CANCEL_REQUEST:
        assert(startup->cancel_key == data + 12 && startup->cancel_key_size == startup->packet_size - 12);
        frontend_write_cancel_request(&writer, startup->cancel_pid, startup->cancel_key, startup->cancel_key_size);
        break;
    case FRONTEND_STARTUP:
        if (startup->version_major != 3) {
            assert(startup->parameters.size == 0);
            return;
        }
        write_parameters(&writer, startup);
        break;
    }
    assert(!writer.has_failed && writer.size == startup->packet_size);
    assert(memcmp(buffer, data, writer.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frontend_startup startup;
    const char *why = NULL;
    enum codec_result result = frontend_parse_startup(data, size, &startup, &why);
    if (result == CODEC_BAD) {
        assert(why != NULL && *why != '\0');
        return 0;
    }
    size_t whole = result == CODEC_OK ? startup.packet_size : size + 1;
    assert(whole <= FRONTEND_STARTUP_SIZE_MAX);
    assert(result == CODEC_MORE || whole <= size);
    if (result == CODEC_OK) check_packet(data, &startup);
    for (size_t cut = 0; cut < whole && cut <= size; cut++) assert(frontend_parse_startup(data, cut, &startup, &why) == CODEC_MORE);
    return 0;
}
