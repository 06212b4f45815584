/*
 * Classes: what each may have, and in which order they are served. Not for: pools, waiters, whose turn it is within a class.
 *
 * Invariants: `leased` and `unused` are the sums over all classes; `order` holds the same classes as `all`; a class that is retired has neither reserve nor
 * queue limit.
 */
#include "proxy/turnstile_classes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proxy/memory.h"

static const double lease_per_slot_second = 1.0 / 20; /* paid back */
static const double rounding_per_slot_second = 2;     /* up to one lease */

/* ---- keys ---- */

static struct turnstile_key *new_key(struct turnstile_class *class, const char *text, size_t size)
{
    struct turnstile_key *key = memory_zalloc(sizeof *key + size + 1);
    key->class = class;
    key->references = 1;
    key->size = (uint32_t)size;
    memcpy(key->text, text, size);
    return key;
}

struct turnstile_key *turnstile_classes_get_key(struct turnstile_classes *classes, uint32_t index, const char *text, size_t size)
{
    assert(index < classes->configured);
    struct turnstile_class *class = classes->all[index];
    struct turnstile_key *key = class->plain;
    if (size > TURNSTILE_KEY_MAX) size = TURNSTILE_KEY_MAX;
    if (size > 0) {
        HASH_FIND(hh, class->keys, text, size, key);
        if (!key) {
            key = new_key(class, text, size);
            HASH_ADD_KEYPTR(hh, class->keys, key->text, key->size, key);
            return key;
        }
    }
    key->references++;
    return key;
}

bool turnstile_classes_put_key(struct turnstile_key *key)
{
    struct turnstile_class *class = key->class;
    assert(key->references > 0);
    if (--key->references == 0) {
        assert(key->leased == 0 && key->waiting == 0 && !key->lanes && key != class->plain);
        HASH_DELETE(hh, class->keys, key);
        free(key);
    }
    return class->is_retired && !class->keys && class->plain->references == 1;
}

static bool is_full(const struct turnstile_key *key)
{
    uint32_t limit = key->class->rules.share_limit;
    return limit > 0 && key->leased >= limit;
}

/* ---- classes ---- */

static struct turnstile_class *new_class(const char *name)
{
    struct turnstile_class *class = memory_zalloc(sizeof *class);
    class->name = memory_strdup(name);
    class->plain = new_key(class, "", 0);
    return class;
}

static void free_class(struct turnstile_class *class)
{
    assert(class->leased == 0 && class->waiting == 0 && !class->keys && class->plain->references == 1);
    free(class->plain);
    free(class->name);
    free(class);
}

static void set_rules(struct turnstile_class *class, const struct turnstile_class_rules *rules)
{
    class->rules = *rules;
    class->rules.name = class->name;
    if (class->rules.weight == 0) class->rules.weight = 1;
}

void turnstile_classes_init(struct turnstile_classes *classes, uint32_t budget)
{
    *classes = (struct turnstile_classes){.budget = budget};
    turnstile_classes_set(classes, &(struct turnstile_class_rules){.name = "default"}, 1, 0);
}

void turnstile_classes_fini(struct turnstile_classes *classes)
{
    for (uint32_t i = 0; i < classes->count; i++) free_class(classes->all[i]);
    free(classes->all);
    free(classes->order);
}

static uint32_t unused_reserve(const struct turnstile_class *class)
{
    return class->rules.reserve > class->leased ? class->rules.reserve - class->leased : 0;
}

/* Bring the slot-time up to now. */
static void advance(struct turnstile_class *class, int64_t now_us)
{
    if (now_us <= class->advanced_us) return;
    class->slot_us += (uint64_t)(now_us - class->advanced_us) * class->leased;
    class->advanced_us = now_us;
}

/* And what it is by weight. */
static void advance_virtual(struct turnstile_class *class, int64_t now_us)
{
    advance(class, now_us);
    class->virtual_us += (double)(class->slot_us - class->virtual_slot_us) / class->rules.weight;
    class->virtual_slot_us = class->slot_us;
}

static struct turnstile_class *find_class(const struct turnstile_classes *classes, const char *name)
{
    for (uint32_t i = 0; i < classes->count; i++)
        if (strcmp(classes->all[i]->name, name) == 0) return classes->all[i];
    return NULL;
}

static bool is_among(struct turnstile_class *const *list, uint32_t count, const struct turnstile_class *class)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == class) return true;
    return false;
}

void turnstile_classes_set(struct turnstile_classes *classes, const struct turnstile_class_rules *rules, uint32_t count, int64_t now_us)
{
    assert(count > 0);
    for (uint32_t i = 0; i < classes->count; i++) advance_virtual(classes->all[i], now_us);
    struct turnstile_class **all = memory_zalloc((classes->count + count) * sizeof *all);
    uint32_t total = count;
    classes->unused = 0;
    for (uint32_t i = 0; i < count; i++) {
        all[i] = find_class(classes, rules[i].name);
        if (!all[i]) all[i] = new_class(rules[i].name);
        assert(!is_among(all, i, all[i]));
        all[i]->is_retired = false;
        set_rules(all[i], &rules[i]);
        classes->unused += unused_reserve(all[i]);
    }
    for (uint32_t i = 0; i < classes->count; i++) {
        struct turnstile_class *class = classes->all[i];
        if (is_among(all, count, class)) continue;
        class->is_retired = true;
        class->rules.reserve = class->rules.queue_limit = 0;
        all[total++] = class;
    }
    free(classes->all);
    free(classes->order);
    classes->all = all;
    classes->count = total;
    classes->configured = count;
    classes->order = memory_alloc(total * sizeof *all);
    memcpy(classes->order, all, total * sizeof *all);
}

static void take_out(struct turnstile_class **list, uint32_t *count, const struct turnstile_class *class)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (list[i] != class) list[kept++] = list[i];
    *count = kept;
}

void turnstile_classes_drop(struct turnstile_classes *classes, struct turnstile_class *class)
{
    assert(class->is_retired);
    uint32_t count = classes->count;
    take_out(classes->order, &count, class);
    take_out(classes->all, &classes->count, class);
    free_class(class);
}

/* ---- what a class may have ---- */

bool turnstile_classes_is_below_reserve(const struct turnstile_class *class)
{
    return class->leased < class->rules.reserve;
}

static uint64_t recent_p99_us(struct turnstile_class *class)
{
    if (class->lease_us.count - class->p99_of >= TURNSTILE_SAMPLES_MIN / 2) {
        class->p99_us = histogram_recent_percentile(&class->lease_us, 0.99);
        class->p99_of = class->lease_us.count;
    }
    return class->p99_us;
}

/* The oldest of the youngest `count` leases, of which there are so many. */
static const struct turnstile_lease *find_lease(const struct turnstile_class *class, uint32_t count)
{
    const struct turnstile_lease *lease = class->leases->previous; /* utlist: the head's previous is the tail */
    while (--count > 0) lease = lease->previous;
    return lease;
}

/* `borrowed`: how many leases the class has beyond what it may hold without loans. */
static bool lends(const struct turnstile_class *lender, struct turnstile_class *class, uint32_t borrowed, int64_t now_us)
{
    int64_t most_us = lender->rules.lend_max_us;
    if (most_us <= 0 || histogram_recent_count(&class->lease_us) < TURNSTILE_SAMPLES_MIN) return false;
    if (recent_p99_us(class) >= (uint64_t)most_us) return false;
    return borrowed == 0 || now_us - find_lease(class, borrowed)->since_us < most_us;
}

/* How much of the others' unused reserves is not for this class. `without_loans`: how many leases it may hold if it is all of it. */
static uint32_t kept_by_others(const struct turnstile_classes *classes, struct turnstile_class *class, int64_t without_loans,
                               int64_t now_us)
{
    uint32_t kept = 0;
    int64_t borrowed = class->leased - (without_loans > 0 ? without_loans : 0);
    for (uint32_t i = 0; i < classes->configured; i++) {
        const struct turnstile_class *lender = classes->all[i];
        uint32_t unused = lender == class ? 0 : unused_reserve(lender);
        if (unused > 0 && !lends(lender, class, borrowed > 0 ? (uint32_t)borrowed : 0, now_us)) kept += unused;
    }
    return kept;
}

/* How many leases more the class may take now, as far as anybody wants to know: nothing above `wanted` matters. */
static uint32_t room_of(const struct turnstile_classes *classes, struct turnstile_class *class, uint32_t wanted, int64_t now_us)
{
    uint32_t limit = class->rules.limit, most = limit == 0 ? UINT32_MAX : limit > class->leased ? limit - class->leased : 0;
    if (most > wanted) most = wanted;
    uint32_t free_leases = classes->budget > classes->leased ? classes->budget - classes->leased : 0;
    uint32_t own = unused_reserve(class), kept = classes->unused - own;
    if (most > 0 && kept > 0 && (int64_t)free_leases - kept < most)
        kept = kept_by_others(classes, class, (int64_t) class->leased + free_leases - kept, now_us);
    uint32_t room = free_leases > kept ? free_leases - kept : 0;
    if (room < own) room = own < free_leases ? own : free_leases;
    return room < most ? room : most;
}

/* ---- order ---- */

void turnstile_classes_start_waiting(struct turnstile_classes *classes, struct turnstile_class *class, bool is_first, int64_t now_us)
{
    advance_virtual(class, now_us);
    if (is_first) {
        /* Nobody missed anything until now. */
        for (uint32_t i = 0; i < classes->count; i++) {
            struct turnstile_class *other = classes->all[i];
            if (other->leased == 0) continue;
            advance_virtual(other, now_us);
            if (other->virtual_us > classes->virtual_us) classes->virtual_us = other->virtual_us;
        }
    }
    if (class->virtual_us < classes->virtual_us) class->virtual_us = classes->virtual_us;
}

static double within(double value, double most)
{
    return value > most ? most : value < -most ? -most : value;
}

static bool is_in_front(const struct turnstile_class *a, const struct turnstile_class *b)
{
    bool a_can = a->room > 0, b_can = b->room > 0;
    if (a_can != b_can) return a_can;
    bool a_first = turnstile_classes_is_below_reserve(a), b_first = turnstile_classes_is_below_reserve(b);
    return a_first != b_first ? a_first : a->rank < b->rank;
}

static void set_rank(const struct turnstile_classes *classes, struct turnstile_class *class)
{
    double weight = class->rules.weight, lag_s = (classes->virtual_us - class->virtual_us) * weight / 1e6;
    double most_s = (double)classes->budget * TURNSTILE_LAG_MAX_S;
    if (class->room == 0 && lag_s > 0) lag_s = 0;
    lag_s = within(lag_s, most_s);
    class->virtual_us = classes->virtual_us - lag_s * 1e6 / weight;
    class->rank = ((double)class->leased - within(lag_s * rounding_per_slot_second, 1) - lag_s * lease_per_slot_second) / weight;
}

void turnstile_classes_rank(struct turnstile_classes *classes, int64_t now_us)
{
    double sum_us = 0, weights = 0;
    for (uint32_t i = 0; i < classes->count; i++) {
        struct turnstile_class *class = classes->all[i];
        class->room = 0;
        if (class->waiting == 0) continue;
        if (class->servable > 0) class->room = room_of(classes, class, class->servable, now_us);
        advance_virtual(class, now_us);
        if (class->room == 0 || class->leased == 0) continue; /* its pools may be out of order */
        sum_us += class->virtual_us * class->rules.weight;
        weights += class->rules.weight;
    }
    if (weights > 0) classes->virtual_us = sum_us / weights;
    for (uint32_t i = 0; i < classes->count; i++) {
        struct turnstile_class *class = classes->order[i];
        if (class->waiting > 0) set_rank(classes, class);
        uint32_t to = i; /* nearly sorted from the last time */
        for (; to > 0 && is_in_front(class, classes->order[to - 1]); to--) classes->order[to] = classes->order[to - 1];
        classes->order[to] = class;
    }
    for (uint32_t i = 0; i < classes->count; i++) classes->order[i]->place = i;
}

/* ---- leases ---- */

static void set_leased(struct turnstile_classes *classes, struct turnstile_class *class, uint32_t leased)
{
    classes->leased = classes->leased - class->leased + leased;
    classes->unused -= unused_reserve(class);
    class->leased = leased;
    classes->unused += unused_reserve(class);
}

void turnstile_classes_take(struct turnstile_classes *classes, struct turnstile_key *key, int64_t waited_us, int64_t now_us)
{
    struct turnstile_class *class = key->class;
    advance(class, now_us);
    set_leased(classes, class, class->leased + 1);
    key->leased++;
    key->references++;
    class->granted++;
    histogram_add(&class->wait_us, (uint64_t)waited_us, now_us);
}

void turnstile_classes_link(struct turnstile_lease *lease, struct turnstile_key *key, int64_t now_us)
{
    assert(!lease->key);
    lease->key = key;
    lease->since_us = now_us;
    DL_APPEND2(key->class->leases, lease, previous, next);
}

bool turnstile_classes_try(struct turnstile_classes *classes, struct turnstile_key *key, struct turnstile_lease *lease, int64_t now_us)
{
    struct turnstile_class *class = key->class;
    if (is_full(key) || (class->rules.limit > 0 && class->leased >= class->rules.limit)) return false;
    if (classes->unused > 0 && room_of(classes, class, 1, now_us) == 0) return false;
    turnstile_classes_take(classes, key, 0, now_us);
    turnstile_classes_link(lease, key, now_us);
    return true;
}

struct turnstile_key *turnstile_classes_end(struct turnstile_classes *classes, struct turnstile_lease *lease, int64_t now_us)
{
    struct turnstile_key *key = lease->key;
    assert(key && key->leased > 0);
    struct turnstile_class *class = key->class;
    advance(class, now_us);
    set_leased(classes, class, class->leased - 1);
    key->leased--;
    histogram_add(&class->lease_us, now_us > lease->since_us ? (uint64_t)(now_us - lease->since_us) : 0, now_us);
    DL_DELETE2(class->leases, lease, previous, next);
    lease->next = lease->previous = NULL;
    lease->key = NULL;
    return key;
}
