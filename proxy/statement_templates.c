/*
 * Buckets of templates, the one used last in front. A shape has one template in its bucket: when its texts differ in more than their literals, now and then
 * the latest takes the place of the one before.
 *
 * Invariant: `bytes` is what all blocks take, and not above bytes_max.
 */
#include "proxy/statement_templates.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/sql_template.h"
#include "proxy/memory.h"

enum { WAYS = 8, BUCKETS = STATEMENT_TEMPLATES_MAX / WAYS, REPLACED_EVERY = 8 };

/* One block: the struct, then what its pointers point to. */
struct entry {
    uint64_t hash;
    enum sql_strings strings;
    uint32_t replaced_in; /* so many texts of its shape that did not match */
    size_t bytes;
    struct sql_template template;
    uint32_t list_count;   /* holes that are long lists */
    uint32_t short_length; /* of the longest of other lists */
    struct statement_slots slots;
    struct sql_literal *literals; /* one for each hole */
};

struct statement_templates {
    struct sql_value_key key;
    size_t bytes, bytes_max;
    struct entry *buckets[BUCKETS][WAYS];          /* NULL: no more behind it */
    struct sql_filling fillings[SQL_LITERALS_MAX]; /* scratch, as `holes` */
    struct sql_hole holes[SQL_LITERALS_MAX];
};

struct statement_templates *statement_templates_new(const struct sql_value_key *key, size_t bytes_max)
{
    struct statement_templates *templates = memory_zalloc(sizeof *templates);
    templates->key = *key;
    templates->bytes_max = bytes_max;
    return templates;
}

static void drop(struct statement_templates *templates, struct entry *entry)
{
    if (entry == NULL) return;
    templates->bytes -= entry->bytes;
    free(entry);
}

void statement_templates_free(struct statement_templates **templates_pointer)
{
    struct statement_templates *templates = *templates_pointer;
    *templates_pointer = NULL;
    if (!templates) return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (size_t way = 0; way < WAYS; way++) drop(templates, templates->buckets[i][way]);
    }
    free(templates);
}

static void put_in_front(struct entry **bucket, size_t way, struct entry *entry)
{
    for (; way > 0; way--) bucket[way] = bucket[way - 1];
    bucket[0] = entry;
}

static void fill(const struct statement_templates *templates, const struct entry *entry, const char *text,
                 struct statement_slots *slots_out, struct statement_source buffer[SQL_LITERALS_MAX])
{
    *slots_out = entry->slots;
    slots_out->sources = buffer;
    memcpy(buffer, entry->slots.sources, entry->slots.source_count * sizeof *buffer);
    if (entry->list_count > 0) slots_out->list_length = entry->short_length;
    for (uint32_t i = 0; i < entry->template.hole_count; i++) {
        struct sql_literal literal = entry->literals[i];
        if (templates->fillings[i].length > slots_out->list_length) slots_out->list_length = templates->fillings[i].length;
        literal.start = templates->fillings[i].start;
        literal.size = templates->fillings[i].size;
        buffer[entry->template.holes[i].literal].hash = sql_value_hash_literal(&templates->key, text, &literal);
    }
}

/* NULL: none of this bucket. The one found is in front then. */
static struct entry *find_in_bucket(struct statement_templates *templates, const char *text, size_t size, enum sql_strings strings,
                                    uint64_t hash)
{
    struct entry **bucket = templates->buckets[hash % BUCKETS];
    for (size_t way = 0; way < WAYS && bucket[way]; way++) {
        struct entry *entry = bucket[way];
        if (entry->hash != hash || entry->strings != strings || !sql_template_match(&entry->template, text, size, templates->fillings))
            continue;
        if (way > 0) put_in_front(bucket, way, entry);
        return entry;
    }
    return NULL;
}

bool statement_templates_find(struct statement_templates *templates, const char *text, size_t size, enum sql_strings strings,
                              uint64_t *hint, struct statement_slots *slots_out, struct statement_source buffer[SQL_LITERALS_MAX])
{
    if (size > SQL_FINGERPRINT_SCAN_MAX) return false;
    struct entry *entry = find_in_bucket(templates, text, size, strings, *hint);
    if (!entry) {
        *hint = sql_template_hash(text, size);
        entry = find_in_bucket(templates, text, size, strings, *hint);
    }
    if (entry) fill(templates, entry, text, slots_out, buffer);
    return entry != NULL;
}

/* In which place of the bucket a text of this shape belongs. WAYS: in none, this time. */
static size_t find_place(struct entry **bucket, uint64_t hash, enum sql_strings strings, uint64_t fingerprint, uint32_t list_count)
{
    size_t way = 0;
    for (; way < WAYS && bucket[way]; way++) {
        struct entry *entry = bucket[way];
        bool is_shape =
            entry->slots.fingerprint == fingerprint && entry->list_count == list_count; /* with long lists it is for all of them */
        if (entry->hash != hash || entry->strings != strings || !is_shape) continue;
        return --entry->replaced_in == 0 ? way : WAYS;
    }
    return way < WAYS ? way : WAYS - 1;
}

/* Long lists, and whether all of them are holes: then there is no end of what the template is good for, else it would be for one text. */
static bool count_lists(const struct statement_templates *templates, uint32_t hole_count, const struct sql_fingerprint *fingerprint,
                        uint32_t *count_out)
{
    uint32_t count = 0;
    uint32_t holes = 0;
    for (uint32_t i = 0; i < fingerprint->literal_count; i++) count += fingerprint->literals[i].kind == SQL_LITERAL_LIST;
    for (uint32_t i = 0; i < hole_count; i++) holes += templates->holes[i].kind >= SQL_HOLE_LIST;
    *count_out = count;
    return count == holes;
}

static size_t packed_size_of(const struct statement_templates *templates, size_t size, uint32_t hole_count)
{
    for (uint32_t i = 0; i < hole_count; i++) size -= templates->holes[i].end - templates->holes[i].start;
    return size;
}

static struct entry *new_entry(const struct statement_templates *templates, const char *text, size_t size, uint32_t hole_count,
                               const struct sql_fingerprint *fingerprint, const struct statement_slots *slots)
{
    size_t sources_size = slots->source_count * sizeof *slots->sources;
    size_t literals_size = hole_count * sizeof(struct sql_literal);
    size_t holes_size = hole_count * sizeof(struct sql_hole);
    size_t packed_size = packed_size_of(templates, size, hole_count);
    size_t bytes = sizeof(struct entry) + sources_size + literals_size + holes_size + packed_size;
    struct entry *entry = memory_zalloc(bytes);
    struct statement_source *sources = (struct statement_source *)(entry + 1);
    struct sql_hole *holes = (struct sql_hole *)((char *)(entry + 1) + sources_size + literals_size);
    char *kept = (char *)holes + holes_size;
    memcpy(sources, slots->sources, sources_size);
    memcpy(holes, templates->holes, holes_size);
    sql_template_pack(text, size, holes, hole_count, kept);
    entry->bytes = bytes;
    entry->replaced_in = REPLACED_EVERY;
    entry->literals = (struct sql_literal *)((char *)(entry + 1) + sources_size);
    for (uint32_t i = 0; i < hole_count; i++) entry->literals[i] = fingerprint->literals[holes[i].literal];
    entry->slots = *slots;
    entry->slots.sources = sources;
    entry->short_length = fingerprint->short_length;
    entry->template = (struct sql_template){.text = kept, .size = packed_size, .holes = holes, .hole_count = hole_count};
    return entry;
}

void statement_templates_add(struct statement_templates *templates, const char *text, size_t size, enum sql_strings strings,
                             const struct sql_fingerprint *fingerprint, const struct statement_slots *slots)
{
    bool is_material = fingerprint->class == SQL_CLASS_READ || fingerprint->class == SQL_CLASS_WRITE; /* the names of savepoints are many */
    uint32_t list_count;
    if (!is_material || size > SQL_FINGERPRINT_SCAN_MAX || fingerprint->literal_count > SQL_LITERALS_MAX || fingerprint->is_truncated ||
        fingerprint->form != SQL_FORM_PLAIN)
        return;
    uint32_t hole_count = sql_template_holes(text, size, strings, fingerprint, templates->holes);
    if (packed_size_of(templates, size, hole_count) > STATEMENT_TEMPLATE_SIZE_MAX ||
        !count_lists(templates, hole_count, fingerprint, &list_count))
        return;
    uint64_t hash = sql_template_hash(text, size);
    struct entry **bucket = templates->buckets[hash % BUCKETS];
    size_t way = find_place(bucket, hash, strings, slots->fingerprint, list_count);
    if (way == WAYS) return;
    struct entry *entry = new_entry(templates, text, size, hole_count, fingerprint, slots);
    size_t freed = bucket[way] ? bucket[way]->bytes : 0;
    if (templates->bytes - freed + entry->bytes > templates->bytes_max) {
        free(entry);
        return;
    }
    drop(templates, bucket[way]);
    templates->bytes += entry->bytes;
    entry->hash = hash;
    entry->strings = strings;
    entry->list_count = list_count;
    put_in_front(bucket, way, entry);
}

size_t statement_templates_bytes(const struct statement_templates *templates)
{
    return templates->bytes;
}
