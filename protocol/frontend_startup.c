/*
 * Startup packets, which have no type byte, and the `options` startup parameter. Not for what the parameters mean:
 * names and values are handed out as they came.
 *
 * Invariants: a packet that parsed OK can be iterated without further checks, and the iteration over `options` moves
 * forward on every call, or is at its end.
 */
#include "protocol/frontend.h"

#include <string.h>

/* PostgreSQL's pqcomm.h: requests in place of a protocol version, major 1234. */
enum { CODE_CANCEL = 80877102, CODE_SSL = 80877103, CODE_GSSENC = 80877104 };
/* Length field and code. */
enum { STARTUP_HEADER_SIZE = 8, CANCEL_KEY_SIZE_MIN = 4, CANCEL_HEADER_SIZE = STARTUP_HEADER_SIZE + 4 };

static enum codec_result refuse(const char *why, const char **why_out)
{
    *why_out = why;
    return CODEC_BAD;
}

/* Whether the bytes are name/value pairs and a NUL: each name is followed by a value, only the last byte is an empty name. */
static bool are_pairs(struct bytes_reader reader)
{
    for (;;) {
        const char *name = bytes_read_cstring(&reader);
        if (name == NULL) return false;
        if (*name == '\0') return bytes_reader_is_done(&reader);
        bytes_read_cstring(&reader);
    }
}

/* What the length and the code say together, before the rest of the packet is there. NULL: nothing wrong. */
static const char *check_header(uint32_t length, uint32_t code)
{
    switch (code) {
    case CODE_SSL: return length == STARTUP_HEADER_SIZE ? NULL : "invalid length of SSL request";
    case CODE_GSSENC: return length == STARTUP_HEADER_SIZE ? NULL : "invalid length of GSSAPI encryption request";
    case CODE_CANCEL:
        if (length < CANCEL_HEADER_SIZE + CANCEL_KEY_SIZE_MIN || length > CANCEL_HEADER_SIZE + FRONTEND_CANCEL_KEY_SIZE_MAX)
            return "invalid length of cancel request";
        return NULL;
    default: return NULL;
    }
}

static enum frontend_startup_kind kind_of(uint32_t code)
{
    switch (code) {
    case CODE_SSL: return FRONTEND_SSL_REQUEST;
    case CODE_GSSENC: return FRONTEND_GSSENC_REQUEST;
    case CODE_CANCEL: return FRONTEND_CANCEL_REQUEST;
    default: return FRONTEND_STARTUP;
    }
}

enum codec_result frontend_parse_startup(const uint8_t *data, size_t size, struct frontend_startup *startup_out, const char **why_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, data, size);
    uint32_t length = bytes_read_u32(&reader);
    if (reader.has_failed) return CODEC_MORE;
    if (length < STARTUP_HEADER_SIZE || length > FRONTEND_STARTUP_SIZE_MAX) return refuse("invalid length of startup packet", why_out);
    uint32_t code = bytes_read_u32(&reader);
    if (reader.has_failed) return CODEC_MORE;
    const char *wrong = check_header(length, code);
    if (wrong != NULL) return refuse(wrong, why_out);
    const uint8_t *rest = bytes_read_block(&reader, length - STARTUP_HEADER_SIZE);
    if (rest == NULL) return CODEC_MORE;

    memset(startup_out, 0, sizeof *startup_out);
    startup_out->kind = kind_of(code);
    startup_out->packet_size = length;
    bytes_reader_init(&startup_out->parameters, NULL, 0);
    bytes_reader_init(&reader, rest, length - STARTUP_HEADER_SIZE);
    if (startup_out->kind == FRONTEND_CANCEL_REQUEST) {
        startup_out->cancel_pid = bytes_read_u32(&reader);
        startup_out->cancel_key_size = bytes_left(&reader);
        startup_out->cancel_key = bytes_read_block(&reader, startup_out->cancel_key_size);
    } else if (startup_out->kind == FRONTEND_STARTUP) {
        startup_out->version_major = (uint16_t)(code >> 16);
        startup_out->version_minor = (uint16_t)code;
        if (startup_out->version_major == 3) {
            if (!are_pairs(reader))
                return refuse("invalid startup packet layout: expected name and value pairs with a terminator as last byte", why_out);
            startup_out->parameters = reader;
        }
    }
    return CODEC_OK;
}

bool frontend_next_parameter(struct bytes_reader *parameters, const char **name_out, const char **value_out)
{
    *name_out = bytes_read_cstring(parameters);
    if (*name_out == NULL || **name_out == '\0') return false;
    *value_out = bytes_read_cstring(parameters);
    return *value_out != NULL;
}

/* bytes_begin_message for a packet without a type byte. */
static size_t begin_packet(struct bytes_writer *writer, uint32_t code)
{
    size_t mark = writer->size;
    bytes_write_u32(writer, 0);
    bytes_write_u32(writer, code);
    return mark;
}

void frontend_write_ssl_request(struct bytes_writer *writer)
{
    bytes_end_message(writer, begin_packet(writer, CODE_SSL));
}

void frontend_write_gssenc_request(struct bytes_writer *writer)
{
    bytes_end_message(writer, begin_packet(writer, CODE_GSSENC));
}

void frontend_write_cancel_request(struct bytes_writer *writer, uint32_t pid, const uint8_t *key, size_t key_size)
{
    size_t mark = begin_packet(writer, CODE_CANCEL);
    bytes_write_u32(writer, pid);
    bytes_write_block(writer, key, key_size);
    bytes_end_message(writer, mark);
}

void frontend_write_startup(struct bytes_writer *writer, uint16_t major, uint16_t minor, const char *const *pairs)
{
    size_t mark = begin_packet(writer, (uint32_t)major << 16 | minor);
    for (const char *const *string = pairs; *string != NULL; string++) bytes_write_cstring(writer, *string);
    bytes_write_u8(writer, '\0');
    bytes_end_message(writer, mark);
}

/* ---- options ---- */

void frontend_options_init(struct frontend_options *options, const char *text, char *scratch)
{
    options->next = text;
    options->scratch = scratch;
}

/* isspace() of the C locale, as PostgreSQL splits. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Unescape the next word to the scratch, which takes one byte more than the word has at most: the white space behind
 * it, or the NUL of the text, pays for that byte. OK with NULL at the end.
 */
static enum codec_result next_word(struct frontend_options *options, char **word_out, const char **why_out)
{
    const char *from = options->next;
    char *to = options->scratch;
    *word_out = NULL;
    while (is_space(*from)) from++;
    options->next = from;
    if (*from == '\0') return CODEC_OK;
    for (; *from != '\0' && !is_space(*from); from++) {
        if (*from == '\\' && *++from == '\0') return refuse("options end in a backslash that escapes nothing", why_out);
        *to++ = *from;
    }
    *to++ = '\0';
    *word_out = options->scratch;
    options->scratch = to;
    options->next = from;
    return CODEC_OK;
}

/* "name=value" in place. As in PostgreSQL '-' in the name reads as '_', behind -c too. */
static enum codec_result split_setting(char *setting, const char **name_out, const char **value_out, const char **why_out)
{
    char *equals = strchr(setting, '=');
    if (equals == NULL) return refuse("a setting in options has no '=' and value", why_out);
    if (equals == setting) return refuse("a setting in options has no name in front of '='", why_out);
    *equals = '\0';
    for (char *c = setting; *c != '\0'; c++) {
        if (*c == '-') *c = '_';
    }
    *name_out = setting;
    *value_out = equals + 1;
    return CODEC_OK;
}

static enum codec_result next_setting(struct frontend_options *options, const char **name_out, const char **value_out, const char **why_out)
{
    char *word;
    enum codec_result result = next_word(options, &word, why_out);
    if (result != CODEC_OK || word == NULL) return result;
    if (word[0] != '-' || word[1] == '\0') return refuse("options hold a word that is not a switch", why_out);
    if (word[1] == '-' && word[2] == '\0') return refuse("'--' in options has no setting behind it", why_out);
    if (word[1] == '-') return split_setting(word + 2, name_out, value_out, why_out);
    if (word[1] != 'c') return refuse("options hold a switch other than -c and --name=value", why_out);
    if (word[2] != '\0') return split_setting(word + 2, name_out, value_out, why_out);
    result = next_word(options, &word, why_out);
    if (result != CODEC_OK) return result;
    if (word == NULL) return refuse("-c at the end of options has no setting behind it", why_out);
    return split_setting(word, name_out, value_out, why_out);
}

enum codec_result frontend_options_next(struct frontend_options *options, const char **name_out, const char **value_out,
                                        const char **why_out)
{
    *name_out = NULL;
    *value_out = NULL;
    enum codec_result result = next_setting(options, name_out, value_out, why_out);
    if (result != CODEC_OK) options->next += strlen(options->next);
    return result;
}
