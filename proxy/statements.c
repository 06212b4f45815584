/*
 * The table of interned statements: chained, grown by doubling, never shrunk. Not for: what comments are (statement_identity.c), or who uses a
 * statement under which name.
 *
 * Invariants: a statement is in the table exactly while it has references; no two in it have the same kind and identity, and no two named
 * ones the same name. A hash is never taken for proof: identities are compared to the byte, so that one client cannot get the SQL of another. A look-up that
 * finds a statement allocates nothing, unless a text with comments is longer than those before.
 */
#include "proxy/statements.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "proxy/memory.h"
#include "proxy/statement_identity.h"

enum {
    FIRST_BUCKETS_LOG2 = 6,
    SECRET_SIZE = 192,         /* XXH3 takes 136 bytes or more */
    SCRATCH_KEPT_SIZE = 65536, /* what one long text needs is not kept for ever */
    HASH_DIGITS = 32
};

static const char name_prefix[] = "pgt";

struct statements {
    struct statement **buckets;
    uint32_t buckets_log2;
    size_t count;
    size_t bytes;           /* of the statements */
    uint64_t renamed_count; /* how often a hash stood for two identities */
    uint8_t *scratch;       /* where identities are written */
    size_t scratch_size;
    uint8_t secret[SECRET_SIZE];
};

struct identity {
    enum statement_kind kind;
    uint64_t context;
    const uint8_t *bytes;
    size_t size;
    uint64_t hash[2];
};

/* ---- the table ---- */

static size_t bucket_count(const struct statements *statements)
{
    return (size_t)1 << statements->buckets_log2;
}

static struct statement **bucket_of(const struct statements *statements, const uint64_t hash[2])
{
    return &statements->buckets[hash[0] & (bucket_count(statements) - 1)];
}

struct statements *statements_new(void)
{
    struct statements *statements = memory_zalloc(sizeof *statements);
    statements->buckets_log2 = FIRST_BUCKETS_LOG2;
    statements->buckets = memory_zalloc(bucket_count(statements) * sizeof statements->buckets[0]);
    if (RAND_bytes(statements->secret, SECRET_SIZE) != 1) {
        fprintf(stderr, "pgturnstile: no random bytes\n");
        abort();
    }
    return statements;
}

void statements_free(struct statements **statements)
{
    struct statements *mine = *statements;
    *statements = NULL;
    if (mine == NULL) return;
    assert(mine->count == 0);
    free(mine->buckets);
    free(mine->scratch);
    free(mine);
}

size_t statements_count(const struct statements *statements)
{
    return statements->count;
}

size_t statements_bytes(const struct statements *statements)
{
    return sizeof *statements + bucket_count(statements) * sizeof statements->buckets[0] + statements->scratch_size + statements->bytes;
}

uint64_t statements_hash(const struct statements *statements, const void *data, size_t size)
{
    return XXH3_64bits_withSecret(data, size, statements->secret, SECRET_SIZE);
}

static void grow(struct statements *statements)
{
    struct statement **old = statements->buckets;
    size_t old_count = bucket_count(statements);
    statements->buckets_log2++;
    statements->buckets = memory_zalloc(bucket_count(statements) * sizeof statements->buckets[0]);
    for (size_t i = 0; i < old_count; i++) {
        for (struct statement *statement = old[i], *next; statement; statement = next) {
            next = statement->next;
            struct statement **bucket = bucket_of(statements, statement->hash);
            statement->next = *bucket;
            *bucket = statement;
        }
    }
    free(old);
}

/* ---- identities ---- */

static void need_scratch(struct statements *statements, size_t size)
{
    if (size <= statements->scratch_size) return;
    free(statements->scratch);
    statements->scratch = memory_alloc(size);
    statements->scratch_size = size;
}

static void trim_scratch(struct statements *statements)
{
    if (statements->scratch_size <= SCRATCH_KEPT_SIZE) return;
    free(statements->scratch);
    statements->scratch = NULL;
    statements->scratch_size = 0;
}

static enum statement_kind kind_of(const struct statement_terms *terms)
{
    if (!terms->is_named) return STATEMENT_UNNAMED;
    return terms->is_scannable ? STATEMENT_NAMED : STATEMENT_OPAQUE;
}

/* Its bytes are the tail's, or in the scratch until trim_scratch. */
static struct identity identify(struct statements *statements, const uint8_t *tail, size_t tail_size, const struct statement_terms *terms)
{
    struct identity identity = {.kind = kind_of(terms), .context = terms->context, .bytes = tail, .size = tail_size};
    if (identity.kind == STATEMENT_NAMED) {
        const uint8_t *nul = memchr(tail, '\0', tail_size);
        assert(nul != NULL);
        size_t text_size = (size_t)(nul - tail);
        if (statement_identity_may_differ((const char *)tail, text_size)) {
            need_scratch(statements, tail_size);
            size_t size = statement_identity_write((const char *)tail, text_size, (char *)statements->scratch);
            memcpy(statements->scratch + size, nul, tail_size - text_size);
            identity.bytes = statements->scratch;
            identity.size = size + (tail_size - text_size);
        }
    }
    XXH128_hash_t hash = XXH3_128bits_withSecret(identity.bytes, identity.size, statements->secret, SECRET_SIZE);
    identity.hash[0] = hash.low64 + (uint64_t)identity.kind;
    identity.hash[1] = hash.high64 ^ terms->context;
    return identity;
}

static bool has_hash(const struct statement *statement, const struct identity *identity)
{
    return statement->hash[0] == identity->hash[0] && statement->hash[1] == identity->hash[1];
}

static bool has_identity(const struct statement *statement, const struct identity *identity)
{
    return statement->kind == identity->kind && statement->context == identity->context && statement->identity_size == identity->size &&
           memcmp(statement->identity, identity->bytes, identity->size) == 0;
}

/* ---- statements ---- */

static void write_name(char name[STATEMENT_NAME_SIZE], const uint64_t hash[2])
{
    snprintf(name, STATEMENT_NAME_SIZE, "%s%016llx%016llx", name_prefix, (unsigned long long)hash[1], (unsigned long long)hash[0]);
}

/* A name for a statement whose own is taken. It is never given twice, since the counter only rises. */
static void write_other_name(struct statements *statements, char name[STATEMENT_NAME_SIZE], const uint64_t hash[2])
{
    uint64_t key[3] = {hash[0], hash[1], ++statements->renamed_count};
    XXH128_hash_t other = XXH3_128bits_withSecret(key, sizeof key, statements->secret, SECRET_SIZE);
    write_name(name, (const uint64_t[2]){other.low64, other.high64});
}

/* One allocation: the struct, its tail, and its identity unless that is the tail. */
static size_t size_of(const struct statement *statement)
{
    return sizeof *statement + statement->tail_size + (statement->identity == statement->tail ? 0 : statement->identity_size);
}

static struct statement *add(struct statements *statements, const uint8_t *tail, size_t tail_size, const struct identity *identity)
{
    bool is_tail = identity->size == tail_size && (identity->bytes == tail || memcmp(identity->bytes, tail, tail_size) == 0);
    struct statement *statement = memory_alloc(sizeof *statement + tail_size + (is_tail ? 0 : identity->size));
    uint8_t *bytes = (uint8_t *)(statement + 1);
    memcpy(bytes, tail, tail_size);
    if (!is_tail) memcpy(bytes + tail_size, identity->bytes, identity->size);
    if (statements->count >= bucket_count(statements) && statements->buckets_log2 < 31) grow(statements);
    struct statement **bucket = bucket_of(statements, identity->hash);
    *statement = (struct statement){
        .tail = bytes,
        .tail_size = tail_size,
        .hash = {identity->hash[0], identity->hash[1]},
        .identity = is_tail ? bytes : bytes + tail_size,
        .identity_size = identity->size,
        .next = *bucket,
        .table = statements,
        .references = 1,
        .kind = identity->kind,
        .context = identity->context,
    };
    *bucket = statement;
    statements->count++;
    statements->bytes += size_of(statement);
    return statement;
}

struct statement *statements_intern(struct statements *statements, const uint8_t *tail, size_t tail_size,
                                    const struct statement_terms *terms)
{
    struct identity identity = identify(statements, tail, tail_size, terms);
    struct statement *statement = *bucket_of(statements, identity.hash);
    bool is_name_taken = false;
    for (; statement; statement = statement->next) {
        if (!has_hash(statement, &identity)) continue;
        if (has_identity(statement, &identity)) break;
        is_name_taken = true;
    }
    if (statement) {
        statement_ref(statement);
    } else {
        statement = add(statements, tail, tail_size, &identity);
        if (terms->is_named && is_name_taken)
            write_other_name(statements, statement->name, identity.hash);
        else if (terms->is_named)
            write_name(statement->name, identity.hash);
    }
    trim_scratch(statements);
    return statement;
}

bool statement_has(const struct statement *statement, const uint8_t *tail, size_t tail_size, const struct statement_terms *terms)
{
    return statement->tail_size == tail_size && statement->context == terms->context && statement->kind == kind_of(terms) &&
           memcmp(statement->tail, tail, tail_size) == 0;
}

struct statement *statement_ref(struct statement *statement)
{
    assert(statement->references > 0 && statement->references < UINT32_MAX);
    statement->references++;
    return statement;
}

void statement_unref(struct statement **statement)
{
    struct statement *mine = *statement;
    *statement = NULL;
    if (mine == NULL) return;
    assert(mine->references > 0);
    if (--mine->references > 0) return;

    struct statement **link = bucket_of(mine->table, mine->hash);
    while (*link != mine) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = mine->next;
    mine->table->count--;
    mine->table->bytes -= size_of(mine);
    free(mine);
}

bool statement_is_alike(const struct statement *a, const struct statement *b)
{
    return a == b || (a && b && a->kind == b->kind && a->identity_size == b->identity_size &&
                      memcmp(a->identity, b->identity, a->identity_size) == 0);
}

bool statement_is_name(const char *text)
{
    size_t prefix_size = sizeof name_prefix - 1;
    if (strncmp(text, name_prefix, prefix_size) != 0) return false;
    return strspn(text + prefix_size, "0123456789abcdef") >= HASH_DIGITS;
}
