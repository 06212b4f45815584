/*
 * The scanner. It knows where tokens begin and end and of which kind they are: it neither decodes strings (sql_identifier.c does that for
 * identifiers) nor knows keywords (sql_effect.c). The rules are those of PostgreSQL's scan.l.
 *
 * Invariants: nothing is read at or behind text[size]; every call that returns true advances by at least one byte; each byte is looked at a
 * bounded number of times, so that no text makes the scan quadratic. The two places where scan.l goes back over a long run, strings that may be
 * continued and runs of signs, are marked.
 */
#include "protocol/sql_lex.h"

#include <string.h>

/* In the order of the tests below: word bytes first, operator bytes last. */
enum byte_class {
    BYTE_PREFIX, /* a letter that may belong to a quote: b e n u x */
    BYTE_LETTER,
    BYTE_DIGIT,
    BYTE_DOLLAR, /* the last one that goes on with a word */
    BYTE_SPACE,
    BYTE_QUOTE,
    BYTE_DOUBLE_QUOTE,
    BYTE_DOT,
    BYTE_COLON,
    BYTE_SINGLE, /* , ( ) [ ] ; */
    BYTE_OTHER,
    BYTE_SIGN,         /* + -  the first one of operators */
    BYTE_SQL_OPERATOR, /* the other characters that standard SQL has operators of */
    BYTE_OPERATOR
};

#define P                BYTE_PREFIX
#define L                BYTE_LETTER
#define D                BYTE_DIGIT
#define S                BYTE_SPACE
#define C                BYTE_SINGLE
#define O                BYTE_OTHER
#define N                BYTE_SIGN
#define Q                BYTE_SQL_OPERATOR
#define X                BYTE_OPERATOR
#define LLLLLLLLLLLLLLLL L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L
/* clang-format off */
static const uint8_t byte_classes[256] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, /* \t \n \v \f \r */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, X, BYTE_DOUBLE_QUOTE, X, BYTE_DOLLAR, X, X, BYTE_QUOTE, C, C, Q, N, C, N, BYTE_DOT, Q, /*   ! " # $ % & ' ( ) * + , - . / */
    D, D, D, D, D, D, D, D, D, D, BYTE_COLON, C, Q, Q, Q, X, /* 0 .. 9 : ; < = > ? */
    X, L, P, L, L, P, L, L, L, L, L, L, L, L, P, L, /* @ A .. O */
    L, L, L, L, L, P, L, L, P, L, L, C, O, C, X, L, /* P .. Z [ \ ] ^ _ */
    X, L, P, L, L, P, L, L, L, L, L, L, L, L, P, L, /* ` a .. o */
    L, L, L, L, L, P, L, L, P, L, L, O, X, O, X, O, /* p .. z { | } ~ */
    LLLLLLLLLLLLLLLL, LLLLLLLLLLLLLLLL, LLLLLLLLLLLLLLLL, LLLLLLLLLLLLLLLL,
    LLLLLLLLLLLLLLLL, LLLLLLLLLLLLLLLL, LLLLLLLLLLLLLLLL, LLLLLLLLLLLLLLLL,
};
/* clang-format on */
#undef P
#undef L
#undef D
#undef S
#undef C
#undef O
#undef N
#undef Q
#undef X

/* The text; offsets are into this. */
struct input {
    const uint8_t *bytes;
    size_t size;
};

static inline enum byte_class class_at(struct input input, size_t at)
{
    return (enum byte_class)byte_classes[input.bytes[at]];
}

static inline bool is_at(struct input input, size_t at, char byte)
{
    return at < input.size && input.bytes[at] == (uint8_t)byte;
}

static inline bool is_digit_at(struct input input, size_t at)
{
    return at < input.size && class_at(input, at) == BYTE_DIGIT;
}

static inline size_t skip_space(struct input input, size_t at)
{
    while (at < input.size && class_at(input, at) == BYTE_SPACE) at++;
    return at;
}

static inline size_t skip_word(struct input input, size_t at)
{
    while (at < input.size && class_at(input, at) <= BYTE_DOLLAR) at++;
    return at;
}

/* From the first '-' to the newline, which is left. */
static size_t skip_line_comment(struct input input, size_t at)
{
    while (at < input.size && input.bytes[at] != '\n' && input.bytes[at] != '\r') at++;
    return at;
}

/* ---- quotes. Each function takes the offset behind the opening and returns the end of the token. ---- */

static inline size_t unterminated(struct input input, struct sql_token_span *token)
{
    token->is_unterminated = true;
    return input.size;
}

/* The first `byte` from `at` on, or the size. */
static inline size_t find_byte(struct input input, size_t at, char byte)
{
    const uint8_t *found = at < input.size ? memchr(input.bytes + at, byte, input.size - at) : NULL;
    return found != NULL ? (size_t)(found - input.bytes) : input.size;
}

/* As find_byte, but a backslash takes the byte behind it along. */
static size_t find_unescaped_quote(struct input input, size_t at)
{
    while (at < input.size && input.bytes[at] != '\'') at += input.bytes[at] == '\\' && input.size - at > 1 ? 2 : 1;
    return at;
}

static inline size_t scan_quoted_identifier(struct input input, size_t at, struct sql_token_span *token)
{
    for (;;) {
        at = find_byte(input, at, '"');
        if (at == input.size) return unterminated(input, token);
        at++;
        if (!is_at(input, at, '"')) return at;
        at++;
    }
}

/*
 * A string goes on in the next quotes when only white space and line comments are between, with a newline among them. `at` is behind the
 * closing quote; returns the offset behind the opening one that continues, or `at`.
 * What is skipped here in vain is read once more by the tokens that follow, but not by a second string.
 */
static size_t skip_to_continuation(struct input input, size_t at)
{
    size_t next = at;
    bool has_newline = false;
    while (next < input.size) {
        uint8_t byte = input.bytes[next];
        if (byte == '\'') return has_newline ? next + 1 : at;
        if (byte == '-' && is_at(input, next + 1, '-')) {
            next = skip_line_comment(input, next);
        } else if (class_at(input, next) == BYTE_SPACE) {
            has_newline |= byte == '\n' || byte == '\r';
            next++;
        } else {
            return at;
        }
    }
    return at;
}

/* A doubled quote stands for one in all but bit strings, where it is the end of one string and the beginning of another. */
static size_t scan_string(struct input input, size_t at, enum sql_token kind, struct sql_token_span *token)
{
    bool has_doubled_quotes = kind != SQL_BIT_STRING && kind != SQL_HEX_STRING;
    token->kind = kind;
    for (;;) {
        at = kind == SQL_ESCAPE_STRING ? find_unescaped_quote(input, at) : find_byte(input, at, '\'');
        if (at == input.size) return unterminated(input, token);
        at++;
        if (has_doubled_quotes && is_at(input, at, '\'')) {
            at++;
            continue;
        }
        size_t next = skip_to_continuation(input, at);
        if (next == at) return at;
        at = next;
    }
}

static enum sql_token plain_string_kind(const struct sql_lex *lex)
{
    return lex->strings == SQL_STRINGS_BACKSLASH ? SQL_ESCAPE_STRING : SQL_STRING;
}

/*
 * A dollar that begins a token. The tag has no '$' inside, so a comparison that fails behind k bytes has seen none among them: the search is
 * linear whatever the length of the tag.
 */
static size_t scan_dollar(struct input input, size_t start, struct sql_token_span *token)
{
    size_t at = start + 1;
    if (is_digit_at(input, at)) {
        while (is_digit_at(input, at)) at++;
        token->kind = SQL_PARAMETER;
        return at;
    }
    while (at < input.size && class_at(input, at) <= BYTE_DIGIT) at++;
    if (!is_at(input, at, '$')) {
        token->kind = SQL_OTHER;
        return start + 1;
    }
    token->kind = SQL_DOLLAR_STRING;
    size_t tag_size = ++at - start;
    for (;;) {
        at = find_byte(input, at, '$');
        if (tag_size > input.size - at) return unterminated(input, token);
        if (memcmp(input.bytes + at, input.bytes + start, tag_size) == 0) return at + tag_size;
        at++;
    }
}

/* Behind a letter that may be the prefix of a quote; the word itself when it is none. */
static size_t scan_prefixed(const struct sql_lex *lex, struct input input, size_t start, struct sql_token_span *token)
{
    uint8_t letter = input.bytes[start] | 0x20;
    size_t at = start + 1;
    if (is_at(input, at, '\'')) {
        switch (letter) {
        case 'b': return scan_string(input, at + 1, SQL_BIT_STRING, token);
        case 'e': return scan_string(input, at + 1, SQL_ESCAPE_STRING, token);
        case 'n': return scan_string(input, at + 1, plain_string_kind(lex), token);
        case 'x': return scan_string(input, at + 1, SQL_HEX_STRING, token);
        default: break; /* u */
        }
    } else if (letter == 'u' && is_at(input, at, '&')) {
        if (is_at(input, at + 1, '\'')) return scan_string(input, at + 2, SQL_UNICODE_STRING, token);
        if (is_at(input, at + 1, '"')) {
            token->kind = SQL_UNICODE_QUOTED;
            return scan_quoted_identifier(input, at + 2, token);
        }
    }
    token->kind = SQL_WORD;
    return skip_word(input, at);
}

/* ---- comments, numbers, operators ---- */

/* Block comments nest. Both of their marks have a slash, so only slashes are looked at; what is before `at` belongs to a mark that was read. */
static size_t scan_block_comment(struct input input, size_t at, struct sql_token_span *token)
{
    size_t depth = 1;
    for (;;) {
        size_t slash = find_byte(input, at, '/');
        if (slash == input.size) return unterminated(input, token);
        if (slash > at && input.bytes[slash - 1] == '*') {
            if (--depth == 0) return slash + 1;
        } else if (is_at(input, slash + 1, '*')) {
            depth++;
            slash++;
        }
        at = slash + 1;
    }
}

static bool is_digit_of(uint8_t byte, unsigned base)
{
    if (byte >= '0' && byte <= '9') return (unsigned)(byte - '0') < base;
    return base == 16 && (byte | 0x20) >= 'a' && (byte | 0x20) <= 'f';
}

/* Digits, with single underscores between them; `at` itself when there are none. */
static size_t skip_digits(struct input input, size_t at, unsigned base)
{
    while (at < input.size) {
        if (is_digit_of(input.bytes[at], base)) {
            at++;
        } else if (input.bytes[at] == '_' && at > 0 && is_digit_of(input.bytes[at - 1], base) && at + 1 < input.size &&
                   is_digit_of(input.bytes[at + 1], base)) {
            at++;
        } else {
            break;
        }
    }
    return at;
}

/* "0x2a", "0o17", "0b11", where an underscore may also follow the letter; `start` when it is none of these. */
static size_t skip_based_integer(struct input input, size_t start)
{
    if (input.bytes[start] != '0' || input.size - start < 3) return start;
    unsigned base;
    switch (input.bytes[start + 1] | 0x20) {
    case 'x': base = 16; break;
    case 'o': base = 8; break;
    case 'b': base = 2; break;
    default: return start;
    }
    size_t at = start + 2;
    if (input.bytes[at] == '_') at++;
    size_t end = skip_digits(input, at, base);
    return end > at ? end : start;
}

/* At a digit, or a dot that a digit follows. "1..2" is an integer and two dots. */
static size_t scan_number(struct input input, size_t start, struct sql_token_span *token)
{
    token->kind = SQL_INTEGER;
    size_t at = skip_based_integer(input, start);
    if (at > start) return at;

    at = skip_digits(input, start, 10);
    if (is_at(input, at, '.') && !(at > start && is_at(input, at + 1, '.'))) {
        token->kind = SQL_NUMBER;
        at++;
        if (is_digit_at(input, at)) at = skip_digits(input, at, 10);
    }
    if (is_at(input, at, 'e') || is_at(input, at, 'E')) {
        size_t exponent = at + 1;
        if (is_at(input, exponent, '+') || is_at(input, exponent, '-')) exponent++;
        if (is_digit_at(input, exponent)) {
            token->kind = SQL_NUMBER;
            at = skip_digits(input, exponent, 10);
        }
    }
    return at;
}

static enum sql_token operator_kind(const uint8_t *bytes, size_t size)
{
    if (size == 1) return byte_classes[bytes[0]] != BYTE_OPERATOR || bytes[0] == '%' || bytes[0] == '^' ? SQL_CHARACTER : SQL_OPERATOR;
    if (size != 2) return SQL_OPERATOR;
    if (bytes[1] == '=') {
        if (bytes[0] == '<') return SQL_LESS_EQUALS;
        if (bytes[0] == '>') return SQL_GREATER_EQUALS;
        if (bytes[0] == '!') return SQL_NOT_EQUALS;
    }
    if (bytes[1] == '>') {
        if (bytes[0] == '<') return SQL_NOT_EQUALS;
        if (bytes[0] == '=') return SQL_EQUALS_GREATER;
    }
    return SQL_OPERATOR;
}

/*
 * The longest run of operator characters that holds no comment start. It does not end in a sign, unless it has a character that standard SQL
 * has no operators of, so that "=-1" is two operators (manual, "Operators"). The signs cut off are then single tokens; signs_end
 * remembers how many, since looking at the run once for each of them would take quadratic time.
 */
static size_t scan_operator(struct sql_lex *lex, struct input input, size_t start, struct sql_token_span *token)
{
    size_t end = start;
    size_t last_other = start; /* behind the last byte that is no sign */
    bool may_end_in_sign = false;
    token->kind = SQL_CHARACTER;
    if (start < lex->signs_end) return start + 1;

    for (; end < input.size && class_at(input, end) >= BYTE_SIGN; end++) {
        uint8_t byte = input.bytes[end];
        if ((byte == '-' && is_at(input, end + 1, '-')) || (byte == '/' && is_at(input, end + 1, '*'))) break;
        enum byte_class class = class_at(input, end);
        if (class != BYTE_SIGN) last_other = end + 1;
        may_end_in_sign |= class == BYTE_OPERATOR;
    }
    if (!may_end_in_sign && last_other < end) {
        lex->signs_end = end;
        end = last_other > start ? last_other : start + 1;
    }
    token->kind = operator_kind(input.bytes + start, end - start);
    return end;
}

static size_t scan_operator_or_comment(struct sql_lex *lex, struct input input, size_t start, struct sql_token_span *token)
{
    if (input.bytes[start] == '-' && is_at(input, start + 1, '-')) {
        token->kind = SQL_LINE_COMMENT;
        return skip_line_comment(input, start);
    }
    if (input.bytes[start] == '/' && is_at(input, start + 1, '*')) {
        token->kind = SQL_BLOCK_COMMENT;
        return scan_block_comment(input, start + 2, token);
    }
    return scan_operator(lex, input, start, token);
}

static size_t scan_dot(struct input input, size_t start, struct sql_token_span *token)
{
    if (is_digit_at(input, start + 1)) return scan_number(input, start, token);
    token->kind = is_at(input, start + 1, '.') ? SQL_DOT_DOT : SQL_CHARACTER;
    return start + (token->kind == SQL_DOT_DOT ? 2 : 1);
}

static size_t scan_colon(struct input input, size_t start, struct sql_token_span *token)
{
    token->kind = is_at(input, start + 1, ':') ? SQL_TYPECAST : is_at(input, start + 1, '=') ? SQL_COLON_EQUALS : SQL_CHARACTER;
    return start + (token->kind == SQL_CHARACTER ? 1 : 2);
}

/* ---- the outside ---- */

void sql_lex_init(struct sql_lex *lex, const char *text, size_t size, enum sql_strings strings)
{
    *lex = (struct sql_lex){.text = text, .size = size, .strings = strings};
}

/* The end of the token at `start`. Not inlined: the short way in sql_lex_next() then saves no registers. */
__attribute__((noinline)) static size_t scan_token(struct sql_lex *lex, struct input input, size_t start, struct sql_token_span *token)
{
    switch (class_at(input, start)) {
    case BYTE_PREFIX: return scan_prefixed(lex, input, start, token);
    case BYTE_DOUBLE_QUOTE: token->kind = SQL_QUOTED; return scan_quoted_identifier(input, start + 1, token);
    case BYTE_DOT: return scan_dot(input, start, token);
    case BYTE_QUOTE: return scan_string(input, start + 1, plain_string_kind(lex), token);
    case BYTE_DIGIT: return scan_number(input, start, token);
    case BYTE_DOLLAR: return scan_dollar(input, start, token);
    case BYTE_COLON: return scan_colon(input, start, token);
    case BYTE_SIGN:
    case BYTE_SQL_OPERATOR:
    case BYTE_OPERATOR: return scan_operator_or_comment(lex, input, start, token);
    case BYTE_LETTER: /* seen to before */
    case BYTE_SINGLE:
    case BYTE_SPACE:
    case BYTE_OTHER: break;
    }
    token->kind = SQL_OTHER;
    return start + 1;
}

bool sql_lex_next(struct sql_lex *lex, struct sql_token_span *token_out)
{
    struct input input = {(const uint8_t *)lex->text, lex->size};
    size_t start = skip_space(input, lex->position);
    token_out->is_unterminated = false;
    token_out->start = start;
    if (start == input.size) {
        token_out->kind = SQL_END;
        token_out->end = start;
        lex->position = start;
        return false;
    }
    enum byte_class class = class_at(input, start);
    if (class == BYTE_LETTER || class == BYTE_SINGLE) { /* most tokens; the branch is cheaper than the switch */
        token_out->kind = class == BYTE_LETTER ? SQL_WORD : SQL_CHARACTER;
        token_out->end = class == BYTE_LETTER ? skip_word(input, start + 1) : start + 1;
    } else {
        token_out->end = scan_token(lex, input, start, token_out);
    }
    lex->position = token_out->end;
    return true;
}

const char *sql_token_name(enum sql_token kind)
{
    switch (kind) {
#define X(name, text) \
    case name:        \
        return text;
#include "protocol/sql_tokens.def"
#undef X
    }
    return "?";
}

/* PostgreSQL compares encoding names by their letters and digits only, without case. */
static bool is_encoding(const char *name, const char *plain)
{
    for (; *name != '\0'; name++) {
        bool is_upper = *name >= 'A' && *name <= 'Z';
        if (!is_upper && !(*name >= 'a' && *name <= 'z') && !(*name >= '0' && *name <= '9')) continue;
        if (*plain == '\0' || (is_upper ? *name + ('a' - 'A') : *name) != *plain) return false;
        plain++;
    }
    return *plain == '\0';
}

bool sql_lex_can_read(const char *client_encoding)
{
    static const char *const encodings[] = {
#define X(name) name,
#include "protocol/sql_encodings.def"
#undef X
    };
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        if (is_encoding(client_encoding, encodings[i])) return true;
    }
    return false;
}
