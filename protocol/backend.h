#ifndef PROTOCOL_BACKEND_H
#define PROTOCOL_BACKEND_H

#include "protocol/bytes.h"

/*
 * The messages a server sends. Decode and encode of one message stand side by side in backend.c. Bodies given to a decoder are whole;
 * pointers that come out lie within the body. Encoders append one whole message, header included, to the writer.
 */

/* The type bytes, from backend_messages.def: X(BACKEND_READY_FOR_QUERY, 'Z', "ReadyForQuery") ... */
enum backend_type {
#define X(name, byte, text) name = byte,
#include "protocol/backend_messages.def"
#undef X
};
/* "ReadyForQuery", or NULL for a byte that no server may send. */
const char *backend_type_name(uint8_t type);

/* The SQLSTATEs we send or look for, from sqlstates.def: X(SQLSTATE_TOO_MANY_CONNECTIONS, "53300") ... as string constants. */
#define X(name, code) extern const char name[6];
#include "protocol/sqlstates.def"
#undef X

/* ---- authentication ('R') ---- */
enum backend_authentication {
    BACKEND_AUTH_OK = 0,
    BACKEND_AUTH_CLEARTEXT = 3,
    BACKEND_AUTH_MD5 = 5,
    BACKEND_AUTH_SASL = 10,
    BACKEND_AUTH_SASL_CONTINUE = 11,
    BACKEND_AUTH_SASL_FINAL = 12
};
/* `data_out` is what follows the code: 4 bytes salt, mechanism list, SASL data. */
enum codec_result backend_parse_authentication(const uint8_t *body, size_t size, uint32_t *code_out, const uint8_t **data_out,
                                               size_t *data_size_out);
void backend_write_authentication(struct bytes_writer *writer, enum backend_authentication code, const void *data, size_t size);

enum codec_result backend_parse_parameter_status(const uint8_t *body, size_t size, const char **name_out, const char **value_out);
void backend_write_parameter_status(struct bytes_writer *writer, const char *name, const char *value);

enum codec_result backend_parse_key_data(const uint8_t *body, size_t size, uint32_t *pid_out, const uint8_t **key_out,
                                         size_t *key_size_out);
void backend_write_key_data(struct bytes_writer *writer, uint32_t pid, const uint8_t *key, size_t key_size);

/* Transaction status: 'I' idle, 'T' in a transaction block, 'E' in a failed one; anything else is BAD. */
enum codec_result backend_parse_ready_for_query(const uint8_t *body, size_t size, char *status_out);
void backend_write_ready_for_query(struct bytes_writer *writer, char status);

/* ErrorResponse and NoticeResponse. NULL: the field is absent (decode) or left out (encode). Other fields are skipped. */
struct backend_error {
    const char *severity; /* encoded as both S and V; decoded from V, else from S */
    const char *sqlstate;
    const char *message;
    const char *detail;
    const char *hint;
};
enum codec_result backend_parse_error(const uint8_t *body, size_t size, struct backend_error *error_out);
void backend_write_error(struct bytes_writer *writer, const struct backend_error *error);
void backend_write_notice(struct bytes_writer *writer, const struct backend_error *notice);

/*
 * NegotiateProtocolVersion: the newest minor version of protocol 3 that we speak (goes out as 3.minor, as PostgreSQL does) and the names of
 * the `_pq_.` options we do not know.
 */
void backend_write_negotiate_protocol_version(struct bytes_writer *writer, uint32_t newest_minor, const char *const *options,
                                              uint32_t count);

enum codec_result backend_parse_command_complete(const uint8_t *body, size_t size, const char **tag_out);
void backend_write_command_complete(struct bytes_writer *writer, const char *tag);
void backend_write_empty_query(struct bytes_writer *writer);

/* Text columns of type oid; for results that we make up ourselves. */
void backend_write_row_description(struct bytes_writer *writer, const char *const *names, const uint32_t *type_oids, uint16_t count);
void backend_write_data_row(struct bytes_writer *writer, const char *const *values, uint16_t count); /* NULL pointer: SQL NULL */

/* Messages without a body: ParseComplete, BindComplete, CloseComplete, NoData, PortalSuspended ... */
void backend_write_bare(struct bytes_writer *writer, enum backend_type type);

#endif
