/*
 * The proof of an N+1. The thresholds are the specification's; what goes beyond them keeps chance out where a few values prove little:
 *
 * - So few values (below FEW) must also lie close together in the column: a request's five sorted ids all occur in a long list of small numbers, in order, too.
 * - A column in which the same few values come again and again has all of them in any order. A loop goes on in the next rows, or where it meets a value first.
 * - Two columns hold twice as many values, so they need twice as many, and one that does it alone comes first.
 * - A shape that feeds itself has ever more values to offer, so its values must come from the latest result, or use up the results in order.
 */
#include "proxy/row_proof.h"

enum { HITS_MIN = 3, PAIR_HITS_MIN = 6, FEW = 8, DROP_AFTER = 8, STEP_MAX = 2 };
static const float share_min = 0.8F;
static const float density_min = 0.3F;
static const float self_share_min = 0.5F;

/* ---- following a column ---- */

static bool is_pair(const struct row_feed *feed)
{
    return feed->other != feed->column;
}

/* As kept_rows_find, in the column or in both. */
static bool find_value(const struct row_feed *feed, const struct kept_rows *rows, uint64_t value, uint32_t from, uint32_t *row_out)
{
    uint32_t row;
    bool is_found = kept_rows_find(rows, feed->column, value, from, row_out);
    if (!is_pair(feed) || !kept_rows_find(rows, feed->other, value, from, &row)) return is_found;
    if (!is_found || row < *row_out) *row_out = row;
    return true;
}

static uint32_t count_values(const struct row_feed *feed, const struct kept_rows *rows, uint32_t from, uint32_t to)
{
    uint32_t count = kept_rows_distinct(rows, feed->column, from, to);
    return is_pair(feed) ? count + kept_rows_distinct(rows, feed->other, from, to) : count;
}

static bool is_first(const struct row_feed *feed, const struct kept_rows *rows, uint64_t value, uint32_t row)
{
    uint32_t first;
    return find_value(feed, rows, value, rows->first, &first) && first == row;
}

static void note_hit(struct row_feed *feed, struct kept_rows *rows, uint64_t value, uint32_t row, bool is_in_order, bool is_new)
{
    feed->hits++;
    feed->in_order += is_in_order;
    if (is_new && value != feed->value) feed->used++;
    if (feed->is_self) {
        feed->latest += row >= rows->start;
        feed->last += row == rows->next - 1;
    }
    if (feed->hits == 1) feed->first_row = row;
    if (is_in_order) {
        feed->close += row <= feed->row + STEP_MAX || is_first(feed, rows, value, row);
        feed->row = row;
    }
    feed->value = value;
}

static bool is_past_end(const struct row_feed *feed, const struct kept_rows *rows)
{
    return rows->is_cut && feed->hits > 0 && feed->row + 1 >= rows->next;
}

static void follow(struct row_feed *feed, struct kept_rows *rows, uint64_t value, bool is_new)
{
    uint32_t row;
    if (find_value(feed, rows, value, feed->row, &row)) {
        feed->tests++;
        if (feed->is_self && row < rows->start) {
            uint32_t later;
            if (find_value(feed, rows, value, rows->start, &later)) row = later;
        }
        note_hit(feed, rows, value, row, true, is_new);
        return;
    }
    if (is_past_end(feed, rows)) {
        feed->untold++;
        return;
    }
    feed->tests++;
    if (find_value(feed, rows, value, 0, &row)) note_hit(feed, rows, value, row, false, is_new);
}

/* ---- which columns to follow ---- */

static bool is_followed(const struct row_proof *proof, const struct kept_rows *rows, unsigned slot, unsigned column)
{
    for (unsigned i = 0; i < proof->count; i++) {
        const struct row_feed *feed = &proof->feeds[i];
        if (feed->serial == rows->serial && feed->slot == slot && feed->column == column && !is_pair(feed)) return true;
    }
    return false;
}

static bool is_better(const struct row_feed *a, const struct row_feed *b)
{
    if (a->in_order != b->in_order) return a->in_order > b->in_order;
    if (a->hits != b->hits) return a->hits > b->hits;
    return a->serial > b->serial;
}

static void add(struct row_proof *proof, const struct row_feed *feed)
{
    if (proof->count < ROW_PROOF_FEEDS) {
        proof->feeds[proof->count++] = *feed;
        return;
    }
    struct row_feed *worst = &proof->feeds[0];
    for (unsigned i = 1; i < ROW_PROOF_FEEDS; i++) {
        if (is_better(worst, &proof->feeds[i])) worst = &proof->feeds[i];
    }
    if (is_better(feed, worst)) *worst = *feed;
}

static void try_column(struct row_proof *proof, struct kept_rows *rows, const struct row_proof_test *test, unsigned slot, unsigned column)
{
    struct row_feed feed = {.serial = rows->serial,
                            .slot = (uint8_t)slot,
                            .column = (uint8_t)column,
                            .other = (uint8_t)column,
                            .is_self = rows->shape == test->shape,
                            .row = rows->start};
    if (is_followed(proof, rows, slot, column)) return;
    if (test->first_slots != NULL && !feed.is_self) {
        follow(&feed, rows, test->first_slots[slot], true);
        /* The first execution may have been for something else. */
        if (feed.hits == 0) feed.tests = 0;
    }
    follow(&feed, rows, test->slots[slot], test->is_new);
    if (feed.hits > 0) add(proof, &feed);
}

static void look_for_feeds(struct row_proof *proof, struct kept_sets *sets, const struct row_proof_test *test)
{
    for (unsigned i = 0; i < KEPT_SETS; i++) {
        struct kept_rows *rows = &sets->sets[i];
        if (rows->shape == 0 || rows->next == rows->first) continue;
        if (rows->shape != test->shape && rows->most < 2) continue;
        for (unsigned slot = 0; slot < test->slot_count; slot++) {
            if (!(test->varying >> slot & 1)) continue;
            for (unsigned column = 0; column < rows->column_count; column++) try_column(proof, rows, test, slot, column);
        }
    }
    proof->results = sets->results;
}

static bool may_pair(const struct row_feed *a, const struct row_feed *b)
{
    bool are_of_one = a->serial == b->serial && a->slot == b->slot && !a->is_self && !is_pair(a) && !is_pair(b);
    bool are_young = a->tests < DROP_AFTER && b->tests < DROP_AFTER;
    return are_of_one && are_young && a->in_order < a->tests && b->in_order < b->tests;
}

static bool has_pair(const struct row_proof *proof, const struct row_feed *a, const struct row_feed *b)
{
    for (unsigned i = 0; i < proof->count; i++) {
        const struct row_feed *feed = &proof->feeds[i];
        if (!is_pair(feed) || feed->serial != a->serial || feed->slot != a->slot) continue;
        if ((feed->column == a->column && feed->other == b->column) || (feed->column == b->column && feed->other == a->column)) return true;
    }
    return false;
}

/* Columns that have some of the values each may have all of them together. */
static void look_for_pairs(struct row_proof *proof, struct kept_sets *sets)
{
    unsigned count = proof->count;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned j = i + 1; j < count && proof->count < ROW_PROOF_FEEDS; j++) {
            const struct row_feed *a = &proof->feeds[i], *b = &proof->feeds[j];
            if (!may_pair(a, b) || has_pair(proof, a, b)) continue;
            if (is_better(b, a)) {
                a = b;
                b = &proof->feeds[i];
            }
            proof->feeds[proof->count++] = (struct row_feed){.serial = a->serial,
                                                             .slot = a->slot,
                                                             .column = a->column,
                                                             .other = b->column,
                                                             .row = kept_sets_find(sets, a->serial)->start};
        }
    }
}

void row_proof_test(struct row_proof *proof, struct kept_sets *sets, const struct row_proof_test *test)
{
    bool is_changed = proof->results != sets->results;
    unsigned kept = 0;
    for (unsigned i = 0; i < proof->count; i++) {
        struct row_feed *feed = &proof->feeds[i];
        struct kept_rows *rows = kept_sets_find(sets, feed->serial);
        if (rows == NULL) continue;
        uint32_t hits = feed->hits;
        if (feed->slot < test->slot_count) follow(feed, rows, test->slots[feed->slot], test->is_new);
        if (feed->hits > hits) rows->touched = ++sets->clock;
        if (feed->tests >= DROP_AFTER && 2 * feed->hits < feed->tests) continue;
        proof->feeds[kept++] = *feed;
    }
    proof->count = (uint8_t)kept;
    if (kept > 1) look_for_pairs(proof, sets);
    if (is_changed) look_for_feeds(proof, sets, test);
}

bool row_proof_expects(const struct row_proof *proof, struct kept_sets *sets, const uint64_t *slots, uint8_t slot_count)
{
    for (unsigned i = 0; i < proof->count; i++) {
        const struct row_feed *feed = &proof->feeds[i];
        const struct kept_rows *rows = kept_sets_find(sets, feed->serial);
        uint32_t row;
        if (rows == NULL || feed->slot >= slot_count || feed->hits < 2 || feed->in_order < feed->hits) continue;
        if (find_value(feed, rows, slots[feed->slot], feed->row, &row)) return true;
    }
    return false;
}

/* The first row behind `row` with another value. */
static bool next_value(const struct kept_rows *rows, unsigned column, uint32_t row, uint64_t *value_out)
{
    uint64_t value = kept_rows_value(rows, column, row);
    for (row++; row < rows->next; row++) {
        *value_out = kept_rows_value(rows, column, row);
        if (*value_out != value) return true;
    }
    return false;
}

bool row_proof_begins(struct kept_sets *sets, const uint64_t *first, const uint64_t *slots, uint8_t slot_count)
{
    for (unsigned i = 0; i < KEPT_SETS; i++) {
        const struct kept_rows *rows = &sets->sets[i];
        if (rows->shape == 0 || rows->next - rows->start < 2) continue;
        for (unsigned slot = 0; slot < slot_count; slot++) {
            for (unsigned column = 0; column < rows->column_count; column++) {
                uint64_t value = kept_rows_value(rows, column, rows->start);
                if (first != NULL && (value != first[slot] || !next_value(rows, column, rows->start, &value))) continue;
                if (value != 0 && value == slots[slot]) return true;
            }
        }
    }
    return false;
}

/* ---- the verdict ---- */

static bool is_shown(const struct row_feed *feed, const struct kept_rows *rows)
{
    float tests = (float)feed->tests;
    if (feed->hits < (is_pair(feed) ? PAIR_HITS_MIN : HITS_MIN) || (float)feed->hits < share_min * tests) return false;
    uint32_t span = count_values(feed, rows, feed->first_row, feed->row + 1);
    float density = span == 0 ? 0 : (float)feed->used / (float)span;
    bool is_in_order = (float)feed->in_order >= share_min * tests;
    if (feed->is_self) return (float)feed->latest >= self_share_min * tests || (is_in_order && density >= self_share_min);
    /* The first one of all is always the first with its value. */
    if ((float)(feed->close - 1) < share_min * (float)(feed->hits - 1)) return false;
    return is_in_order && (feed->hits >= FEW || density >= density_min);
}

static void describe(const struct row_feed *feed, const struct kept_rows *rows, uint32_t rows_max, struct verdict_feed *feed_out)
{
    const struct kept_column *column = &rows->columns[feed->column];
    uint32_t distinct = count_values(feed, rows, rows->first, rows->next);
    float used = distinct == 0 ? 0 : (float)feed->used / (float)distinct;
    *feed_out = (struct verdict_feed){
        .link = feed->is_self ? LINK_SELF : (rows_max > 1 ? LINK_TO_MANY : LINK_TO_ONE),
        .is_last_row = feed->is_self && (float)feed->last >= share_min * (float)feed->tests,
        .slot = feed->slot,
        .shape = rows->shape,
        .column = {.table_oid = column->table_oid, .attnum = column->attnum, .label = column->label},
        .rows = rows->most,
        .cover = (float)feed->hits / (float)feed->tests,
        .inorder = (float)feed->in_order / (float)feed->tests,
        .used = used > 1 ? 1 : used,
    };
}

bool row_proof_best(const struct row_proof *proof, struct kept_sets *sets, uint32_t executions, uint32_t rows_max,
                    struct verdict_feed *feed_out)
{
    *feed_out = (struct verdict_feed){.link = LINK_NONE};
    float best = -1;
    uint64_t best_serial = 0;
    for (unsigned i = 0; i < proof->count; i++) {
        const struct row_feed *feed = &proof->feeds[i];
        const struct kept_rows *rows = kept_sets_find(sets, feed->serial);
        if (rows == NULL || 2 * feed->hits + feed->untold < executions || !is_shown(feed, rows)) continue;
        struct verdict_feed described;
        describe(feed, rows, rows_max, &described);
        /* A shape's own results come last: they are nearly always in reach. */
        float score = feed->is_self ? 0 : described.cover * described.used + (is_pair(feed) ? 0 : 1);
        if (score < best || (score == best && rows->serial <= best_serial)) continue;
        best = score;
        best_serial = rows->serial;
        *feed_out = described;
    }
    return feed_out->link != LINK_NONE;
}

void row_proof_reset(struct row_proof *proof)
{
    *proof = (struct row_proof){0};
}
