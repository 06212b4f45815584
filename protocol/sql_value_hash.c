/*
 * Values to keyed hashes. All spellings of a value are brought to one form first: an integer, a uuid, or bytes. No value is kept or shown.
 */
#include "protocol/sql_value_hash.h"

#include "protocol/sql_canonical.h"
#include "protocol/sql_string.h"
#include "protocol/type_oids.h"

#include <assert.h>
#include <string.h>

enum form { FORM_NULL, FORM_INTEGER, FORM_UUID, FORM_BYTES, FORM_RAW };

/* ---- SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF") ---- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *sip)
{
    sip->v0 += sip->v1;
    sip->v2 += sip->v3;
    sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
    sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
    sip->v0 = rotate(sip->v0, 32);
    sip->v2 += sip->v1;
    sip->v0 += sip->v3;
    sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
    sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
    sip->v2 = rotate(sip->v2, 32);
}

static inline void sip_block(struct sip *sip, uint64_t block)
{
    sip->v3 ^= block;
    sip_round(sip);
    sip->v0 ^= block;
}

/* Each form has a key of its own. */
static inline struct sip sip_begin(const struct sql_value_key *key, enum form form)
{
    uint64_t first = key->words[0] + (uint64_t)form;
    uint64_t second = key->words[1];
    return (struct sip){first ^ UINT64_C(0x736f6d6570736575), second ^ UINT64_C(0x646f72616e646f6d), first ^ UINT64_C(0x6c7967656e657261),
                        second ^ UINT64_C(0x7465646279746573)};
}

static inline uint64_t sip_end(struct sip *sip)
{
    sip->v2 ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(sip);
    return sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
}

static uint64_t hash(const struct sql_value_key *key, enum form form, const void *data, size_t size)
{
    const char *bytes = data;
    struct sip sip = sip_begin(key, form);
    uint64_t last = (uint64_t)size << 56;
    size_t at = 0;
    for (; size - at >= 8; at += 8) {
        uint64_t block;
        memcpy(&block, bytes + at, 8);
        sip_block(&sip, block);
    }
    for (size_t i = 0; i < size - at; i++) last |= (uint64_t)(uint8_t)bytes[at + i] << 8 * i;
    sip_block(&sip, last);
    return sip_end(&sip);
}

static uint64_t hash_integer(const struct sql_value_key *key, int64_t value)
{
    struct sip sip = sip_begin(key, FORM_INTEGER);
    sip_block(&sip, (uint64_t)value);
    return sip_end(&sip);
}

uint64_t sql_value_hash_null(const struct sql_value_key *key)
{
    return hash(key, FORM_NULL, "", 0);
}

/* ---- many bytes ---- */

static inline uint64_t load_eight(const char *at)
{
    uint64_t eight;
    memcpy(&eight, at, 8);
    return eight;
}

/* One product for 16 bytes; each half is under a secret. */
static inline uint64_t mix_sixteen(uint64_t hash, uint64_t secret, const char *at)
{
    return sql_mix(hash, load_eight(at + 8), load_eight(at) ^ secret);
}

static inline __attribute__((always_inline)) uint64_t hash_run(const struct sql_value_key *key, const char *text, size_t size)
{
    const char *end = text + size;
    uint64_t secrets[4], lanes[4];
    for (unsigned i = 0; i < 4; i++) {
        secrets[i] = sql_mix(key->words[0], i, SQL_SALT_TOKEN) ^ key->words[1];
        lanes[i] = sql_mix(key->words[1], i, SQL_SALT_WORD) ^ key->words[0];
    }
    for (; end - text >= 64; text += 64) { /* none waits for the one before */
        lanes[0] = mix_sixteen(lanes[0], secrets[0], text);
        lanes[1] = mix_sixteen(lanes[1], secrets[1], text + 16);
        lanes[2] = mix_sixteen(lanes[2], secrets[2], text + 32);
        lanes[3] = mix_sixteen(lanes[3], secrets[3], text + 48);
    }
    for (; end - text >= 16; text += 16) lanes[0] = mix_sixteen(lanes[0], secrets[0], text);
    uint64_t hash = size;
    for (unsigned i = 0; i < 4; i++) hash = sql_value_hash_combine(key, hash, lanes[i]);
    return sql_value_hash_combine(key, hash, sql_mix_bytes(secrets[1], text, (size_t)(end - text), end));
}

#if defined(__x86_64__)
/* Its product needs no moves from register to register. */
__attribute__((target("bmi2"))) static uint64_t hash_run_by_bmi2(const struct sql_value_key *key, const char *text, size_t size)
{
    return hash_run(key, text, size);
}
#endif

uint64_t sql_value_hash_run(const struct sql_value_key *key, const char *text, size_t size)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("bmi2")) return hash_run_by_bmi2(key, text, size);
#endif
    return hash_run(key, text, size);
}

/* Both are keyed already. */
uint64_t sql_value_hash_combine(const struct sql_value_key *key, uint64_t so_far, uint64_t next)
{
    return sql_mix(sql_mix(so_far, key->words[0], SQL_SALT_WORD), next, key->words[1] | 1);
}

/* ---- text ---- */

/* False: too large for 64 bits. */
static bool to_signed(uint64_t magnitude, bool is_negative, int64_t *value_out)
{
    if (magnitude > (uint64_t)INT64_MAX + is_negative) return false;
    *value_out = is_negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

/* All digits of the base, underscores passed over. */
static bool read_magnitude(const char *digits, size_t size, unsigned base, uint64_t *magnitude_out)
{
    uint64_t magnitude = 0;
    for (size_t i = 0; i < size; i++) {
        char lower = (char)(digits[i] | 0x20);
        unsigned digit = 16;
        if (digits[i] == '_') continue;
        if (digits[i] >= '0' && digits[i] <= '9') digit = (unsigned)(digits[i] - '0');
        if (lower >= 'a' && lower <= 'f') digit = (unsigned)(lower - 'a' + 10);
        if (digit >= base || __builtin_mul_overflow(magnitude, base, &magnitude) || __builtin_add_overflow(magnitude, digit, &magnitude))
            return false;
    }
    *magnitude_out = magnitude;
    return true;
}

/* Decimal digits alone, and so few that they cannot be too many for 64 bits. */
static bool read_decimal(const char *digits, size_t size, uint64_t *magnitude_out)
{
    enum { DIGITS_MAX = 19 };
    uint64_t magnitude = 0;
    if (size == 0 || size > DIGITS_MAX) return false;
    for (size_t i = 0; i < size; i++) {
        unsigned digit = (unsigned)(uint8_t)digits[i] - '0';
        if (digit > 9) return false;
        magnitude = magnitude * 10 + digit;
    }
    *magnitude_out = magnitude;
    return true;
}

static bool are_digits(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
    }
    return size > 0;
}

/* "44", as PostgreSQL writes it: no zeroes in front, no plus, no "-0". */
static bool is_written_integer(const char *text, size_t size, int64_t *value_out)
{
    uint64_t magnitude;
    bool is_negative = size > 0 && text[0] == '-';
    const char *digits = text + is_negative;
    size -= is_negative;
    if (!read_decimal(digits, size, &magnitude) || (digits[0] == '0' && (size > 1 || is_negative))) return false;
    return to_signed(magnitude, is_negative, value_out);
}

/* What the integer types read: " +044 ". */
static bool is_read_integer(const char *text, size_t size, int64_t *value_out)
{
    uint64_t magnitude;
    while (size > 0 && text[0] == ' ') {
        text++;
        size--;
    }
    while (size > 0 && text[size - 1] == ' ') size--;
    bool is_negative = size > 0 && text[0] == '-';
    bool has_sign = is_negative || (size > 0 && text[0] == '+');
    if (!are_digits(text + has_sign, size - has_sign)) return false;
    return read_magnitude(text + has_sign, size - has_sign, 10, &magnitude) && to_signed(magnitude, is_negative, value_out);
}

/* 8-4-4-4-12 hexadecimal digits. */
static bool is_uuid(const char *text, size_t size, uint8_t uuid_out[16])
{
    size_t byte = 0;
    if (size != 36) return false;
    for (size_t at = 0; at < size;) {
        uint64_t value;
        bool is_dash = at == 8 || at == 13 || at == 18 || at == 23;
        if (is_dash) {
            if (text[at++] != '-') return false;
            continue;
        }
        if (text[at] == '_' || text[at + 1] == '_' || !read_magnitude(text + at, 2, 16, &value)) return false;
        uuid_out[byte++] = (uint8_t)value;
        at += 2;
    }
    return true;
}

static bool is_integer_type(uint32_t type_oid)
{
    return type_oid == OID_INT2 || type_oid == OID_INT4 || type_oid == OID_INT8 || type_oid == OID_OID;
}

uint64_t sql_value_hash_text(const struct sql_value_key *key, uint32_t type_oid, const char *text, size_t size)
{
    uint8_t uuid[16];
    int64_t value;
    if (is_written_integer(text, size, &value)) return hash_integer(key, value);
    if (is_integer_type(type_oid) && is_read_integer(text, size, &value)) return hash_integer(key, value);
    if (is_uuid(text, size, uuid)) return hash(key, FORM_UUID, uuid, sizeof uuid);
    if (type_oid == OID_BOOL && size > 0) {
        char first = (char)(text[0] | 0x20);
        bool is_true = first == 't' || first == 'y' || text[0] == '1' || (first == 'o' && size == 2);
        return hash(key, FORM_BYTES, is_true ? "t" : "f", 1);
    }
    return hash(key, FORM_BYTES, text, size);
}

/* ---- binary ---- */

static int64_t read_big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = bytes[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | bytes[i];
    return (int64_t)value;
}

uint64_t sql_value_hash_binary(const struct sql_value_key *key, uint32_t type_oid, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    bool is_unknown = type_oid == 0 || type_oid == OID_UNKNOWN;
    if (is_integer_type(type_oid) || is_unknown) {
        if (type_oid == OID_OID && size == 4) return hash_integer(key, (int64_t)(uint32_t)read_big_endian(bytes, size));
        if (size == 2 || size == 4 || size == 8) return hash_integer(key, read_big_endian(bytes, size));
    }
    if (size == 16 && (type_oid == OID_UUID || is_unknown)) return hash(key, FORM_UUID, bytes, size);
    if (type_oid == OID_BOOL && size == 1) return hash(key, FORM_BYTES, bytes[0] != 0 ? "t" : "f", 1);
    if (is_unknown || sql_value_is_comparable(type_oid)) return sql_value_hash_text(key, type_oid, (const char *)bytes, size);
    return hash(key, FORM_RAW, bytes, size);
}

/* ---- literals ---- */

static uint64_t hash_string(const struct sql_value_key *key, const char *token, const struct sql_literal *literal)
{
    char scratch[512];
    size_t size;
    const char *bytes = sql_string_bytes((enum sql_token)literal->token, token, literal->size, scratch, sizeof scratch, &size);
    if (bytes == NULL) return hash(key, FORM_RAW, token, literal->size);
    return sql_value_hash_text(key, 0, bytes, size);
}

/* Decimals, and integers of more than 64 bits: as text. */
static uint64_t hash_number(const struct sql_value_key *key, const char *token, size_t size, bool is_negative)
{
    char text[64];
    if (!is_negative) return hash(key, FORM_BYTES, token, size);
    if (size >= sizeof text) return hash(key, FORM_RAW, token, size);
    text[0] = '-';
    memcpy(text + 1, token, size);
    return hash(key, FORM_BYTES, text, size + 1);
}

static uint64_t hash_integer_literal(const struct sql_value_key *key, const char *token, size_t size, bool is_negative)
{
    uint64_t magnitude;
    int64_t value;
    unsigned base = 10;
    size_t prefix = 0;
    if (read_decimal(token, size, &magnitude) && to_signed(magnitude, is_negative, &value)) return hash_integer(key, value);
    if (size > 2 && token[0] == '0') {
        char letter = (char)(token[1] | 0x20);
        base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
        prefix = base != 10 ? 2 : 0;
    }
    if (read_magnitude(token + prefix, size - prefix, base, &magnitude) && to_signed(magnitude, is_negative, &value))
        return hash_integer(key, value);
    return hash_number(key, token, size, is_negative);
}

uint64_t sql_value_hash_literal(const struct sql_value_key *key, const char *text, const struct sql_literal *literal)
{
    const char *token = text + literal->start;
    switch ((enum sql_literal_kind)literal->kind) {
    case SQL_LITERAL_INTEGER: return hash_integer_literal(key, token, literal->size, literal->is_negative);
    case SQL_LITERAL_DECIMAL: return hash_number(key, token, literal->size, literal->is_negative);
    case SQL_LITERAL_STRING:
    case SQL_LITERAL_INTERVAL: return hash_string(key, token, literal);
    case SQL_LITERAL_BITS: return hash(key, FORM_RAW, token, literal->size);
    case SQL_LITERAL_BOOLEAN: return hash(key, FORM_BYTES, (token[0] | 0x20) == 't' ? "t" : "f", 1);
    case SQL_LITERAL_NULL: return sql_value_hash_null(key);
    case SQL_LITERAL_LIST: return sql_value_hash_run(key, token, literal->size);
    case SQL_LITERAL_PARAMETER: break;
    }
    assert(literal->kind != SQL_LITERAL_PARAMETER);
    return 0;
}

bool sql_value_is_comparable(uint32_t type_oid)
{
    return is_integer_type(type_oid) || type_oid == OID_UUID || type_oid == OID_TEXT || type_oid == OID_VARCHAR || type_oid == OID_BPCHAR ||
           type_oid == OID_NAME;
}
