#ifndef PROTOCOL_FRONTEND_H
#define PROTOCOL_FRONTEND_H

#include "protocol/bytes.h"

/*
 * The messages a client sends: startup packets, then typed messages. Decode and encode of one message stand side by side in frontend.c,
 * those of startup packets and `options` in frontend_startup.c. Bodies given to a decoder are whole (the caller has framed them);
 * pointers that come out lie within the body. Encoders append one whole message, header included, to the writer.
 */

/* The type bytes, from frontend_messages.def: X(FRONTEND_QUERY, 'Q', "Query") ... */
enum frontend_type {
#define X(name, byte, text) name = byte,
#include "protocol/frontend_messages.def"
#undef X
};
/* "Query", or NULL for a byte that no client may send. */
const char *frontend_type_name(uint8_t type);
/* Whether it has a name. All of them are ASCII letters: a bit for each of those bytes. */
static inline bool frontend_is_type(uint8_t type)
{
    static const uint64_t letters = 0
#define X(name, byte, text) | UINT64_C(1) << ((byte) - '@')
#include "protocol/frontend_messages.def"
#undef X
        ;
    return type >= '@' && type < 0x80 && (letters >> (type - '@') & 1);
}

/* ---- startup packets (no type byte) ---- */
enum {
    FRONTEND_STARTUP_SIZE_MAX = 10000, /* PostgreSQL's MAX_STARTUP_PACKET_LENGTH */
    FRONTEND_CANCEL_KEY_SIZE_MAX = 256 /* protocol 3.2 */
};

enum frontend_startup_kind { FRONTEND_SSL_REQUEST, FRONTEND_GSSENC_REQUEST, FRONTEND_CANCEL_REQUEST, FRONTEND_STARTUP };

struct frontend_startup {
    enum frontend_startup_kind kind;
    size_t packet_size;                    /* all of it, length field included: what to consume */
    uint16_t version_major, version_minor; /* FRONTEND_STARTUP: major may be anything; the caller decides */
    struct bytes_reader parameters;        /* FRONTEND_STARTUP: for frontend_next_parameter; empty when the major version is not 3 */
    uint32_t cancel_pid;                   /* FRONTEND_CANCEL_REQUEST */
    const uint8_t *cancel_key;             /* within data; 4 bytes in protocol 3.0 */
    size_t cancel_key_size;
};

/*
 * Read the packet at `data`. BAD: length below 8 or above FRONTEND_STARTUP_SIZE_MAX, a cancel request of a wrong size (keys have
 * 4 to FRONTEND_CANCEL_KEY_SIZE_MAX bytes), SSLRequest/GSSENCRequest that are not 8 bytes, or (major version 3) parameters that are
 * not well-formed name/value pairs with the final NUL as last byte.
 * On BAD `*why_out` is a static sentence for the error message.
 */
enum codec_result frontend_parse_startup(const uint8_t *data, size_t size, struct frontend_startup *startup_out, const char **why_out);
/* The next pair of a startup packet that parsed OK; false at the end. */
bool frontend_next_parameter(struct bytes_reader *parameters, const char **name_out, const char **value_out);
void frontend_write_ssl_request(struct bytes_writer *writer);
void frontend_write_gssenc_request(struct bytes_writer *writer);
void frontend_write_cancel_request(struct bytes_writer *writer, uint32_t pid, const uint8_t *key, size_t key_size);
/* `pairs` is name, value, name, value, NULL. */
void frontend_write_startup(struct bytes_writer *writer, uint16_t major, uint16_t minor, const char *const *pairs);

/*
 * The `options` startup parameter: "-c name=value", "-cname=value", "--name=value", split at white space with backslash as
 * the escape (PostgreSQL manual, "libpq: options"). In long names '-' reads as '_'.
 * Iterate: OK with one setting; MORE is never answered; BAD with `*why_out`; the end is OK with *name_out == NULL.
 * Every call advances or ends, whatever the input; after BAD comes the end. `scratch` holds the unescaped strings: at least
 * strlen(options) + 2 bytes, owned by the caller and alive as long as the names and values are used.
 */
struct frontend_options {
    const char *next; /* position in the options string */
    char *scratch;    /* where the next unescaped word goes */
};
void frontend_options_init(struct frontend_options *options, const char *text, char *scratch);
enum codec_result frontend_options_next(struct frontend_options *options, const char **name_out, const char **value_out,
                                        const char **why_out);

/* ---- authentication: all share type 'p' ---- */
enum codec_result frontend_parse_password(const uint8_t *body, size_t size, const char **password_out);
void frontend_write_password(struct bytes_writer *writer, const char *password);
enum codec_result frontend_parse_sasl_initial(const uint8_t *body, size_t size, const char **mechanism_out, const uint8_t **data_out,
                                              size_t *data_size_out); /* data NULL when absent (-1) */
void frontend_write_sasl_initial(struct bytes_writer *writer, const char *mechanism, const void *data, size_t size);
void frontend_write_sasl_response(struct bytes_writer *writer, const void *data, size_t size);

/* ---- queries ---- */
enum codec_result frontend_parse_query(const uint8_t *body, size_t size, const char **text_out);
void frontend_write_query(struct bytes_writer *writer, const char *text);

struct frontend_parse_message {
    const char *statement; /* "" is the unnamed one */
    const char *text;
    uint16_t type_count;
    const uint8_t *types; /* type_count * 4 bytes, big-endian oids */
};
enum codec_result frontend_parse_parse(const uint8_t *body, size_t size, struct frontend_parse_message *message_out);
void frontend_write_parse(struct bytes_writer *writer, const char *statement, const char *text, const uint32_t *types, uint16_t type_count);

/* Only the two names are decoded; the rest of Bind is left alone (it may be large and incomplete: `size` may cover a prefix; MORE then). */
enum codec_result frontend_parse_bind_names(const uint8_t *body, size_t size, const char **portal_out, const char **statement_out);
/* Text parameters; a NULL pointer is SQL NULL. Result columns in text format. */
void frontend_write_bind(struct bytes_writer *writer, const char *portal, const char *statement, const char *const *values, uint16_t count);

/* Describe and Close: kind 'S' statement or 'P' portal, anything else is BAD. */
enum codec_result frontend_parse_target(const uint8_t *body, size_t size, char *kind_out, const char **name_out);
void frontend_write_describe(struct bytes_writer *writer, char kind, const char *name);
void frontend_write_close(struct bytes_writer *writer, char kind, const char *name);

enum codec_result frontend_parse_execute(const uint8_t *body, size_t size, const char **portal_out, uint32_t *max_rows_out);
void frontend_write_execute(struct bytes_writer *writer, const char *portal, uint32_t max_rows);

void frontend_write_sync(struct bytes_writer *writer);
void frontend_write_flush(struct bytes_writer *writer);
void frontend_write_terminate(struct bytes_writer *writer);
void frontend_write_copy_data(struct bytes_writer *writer, const void *data, size_t size);
void frontend_write_copy_done(struct bytes_writer *writer);
void frontend_write_copy_fail(struct bytes_writer *writer, const char *reason);
/* A FunctionCall of `oid` with binary arguments, binary result. */
void frontend_write_function_call(struct bytes_writer *writer, uint32_t oid, const uint8_t *const *arguments, const uint32_t *sizes,
                                  uint16_t count);

#endif
