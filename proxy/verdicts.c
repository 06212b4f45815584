/*
 * From counts to verdicts, by section 3 of the specification. What is said without the proof of rows depends on how sure the edges of the unit are: in a burst, which may be
 * several requests on one kept-alive connection, only what one request of it would have had is counted.
 */
#include "proxy/verdicts.h"

#include <string.h>

static const char *const verdict_words[] = {
#define X(name, word, title, text) [name] = word,
#include "proxy/verdicts.def"
#undef X
};
static const char *const verdict_titles[] = {
#define X(name, word, title, text) [name] = title,
#include "proxy/verdicts.def"
#undef X
};
static const char *const verdict_texts[] = {
#define X(name, word, title, text) [name] = text,
#include "proxy/verdicts.def"
#undef X
};
static const char *const confidence_words[] = {"candidate", "likely", "proven"};
static const char *const severity_words[] = {"info", "warning", "critical"};
static const char *const link_words[] = {"", "to_one", "to_many", "self"};
static const char *const unit_kind_words[] = {"burst", "session", "transaction", "tag"};

enum {
    PIPELINED = 4,            /* so many executions a round trip are a batch */
    LOOP_PAUSE_MAX_US = 20000 /* no loop over data waits as long between its queries */
};

static int find_word(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0) return i;
    }
    return -1;
}

const char *verdict_word(enum verdict verdict)
{
    return verdict_words[verdict];
}

const char *verdict_title(enum verdict verdict)
{
    return verdict_titles[verdict];
}

const char *verdict_text(enum verdict verdict)
{
    return verdict_texts[verdict];
}

int verdict_find(const char *word)
{
    return find_word(verdict_words, VERDICT_COUNT, word);
}

const char *confidence_word(enum confidence confidence)
{
    return confidence_words[confidence];
}

int confidence_find(const char *word)
{
    return find_word(confidence_words, 3, word);
}

const char *severity_word(enum severity severity)
{
    return severity_words[severity];
}

const char *link_word(enum link link)
{
    return link_words[link];
}

int link_find(const char *word)
{
    return find_word(link_words, 4, word);
}

const char *unit_kind_word(enum unit_kind kind)
{
    return unit_kind_words[kind];
}

/* ---- what the evidence is like ---- */

struct judgement {
    const struct verdict_evidence *evidence;
    const struct verdict_unit *unit;
    const struct verdict_thresholds *thresholds;
    struct verdict_finding *findings;
    size_t count;
};

/* Of what is certain once the unit's edges are, and of what stays a guess even then. */
static enum confidence confidence_of(const struct judgement *judgement, bool is_certain)
{
    switch (judgement->unit->kind) {
    case UNIT_TAG:
    case UNIT_TRANSACTION: return is_certain ? CONFIDENCE_PROVEN : CONFIDENCE_LIKELY;
    case UNIT_SESSION: return CONFIDENCE_LIKELY;
    case UNIT_BURST: break;
    }
    return CONFIDENCE_CANDIDATE;
}

/* What one request of the unit would have had of `count`. */
static uint32_t per_request(const struct judgement *judgement, uint32_t count)
{
    const struct verdict_unit *unit = judgement->unit;
    return unit->kind == UNIT_BURST && !unit->is_alone && unit->repeats > 1 ? count / unit->repeats : count;
}

/* One statement each, with pauses as no loop makes them: questions of many people over a connection that stays open. */
static bool are_requests(const struct judgement *judgement)
{
    const struct verdict_unit *unit = judgement->unit;
    return unit->kind == UNIT_BURST && unit->is_alone && judgement->evidence->counts.min_gap_us >= LOOP_PAUSE_MAX_US;
}

static bool has_proof(const struct verdict_evidence *evidence)
{
    return evidence->feed.link == LINK_TO_ONE || evidence->feed.link == LINK_TO_MANY;
}

/* Each execution is for many values already: the repeats are the portions of a batch. */
static bool is_of_portions(const struct judgement *judgement)
{
    const struct verdict_evidence *evidence = judgement->evidence;
    if (evidence->counts.list_values >= (uint64_t)judgement->thresholds->n_plus_one_min * evidence->counts.n) return true;
    if (evidence->counts.list_values > 0 || evidence->varying == 0) return false;
    for (unsigned i = 0; i < evidence->slot_count; i++) {
        if ((evidence->varying >> i & 1) && evidence->roles[i] != SLOT_LIST) return false;
    }
    return true;
}

static bool is_pipelined(const struct judgement *judgement)
{
    const struct verdict_counts *counts = &judgement->evidence->counts;
    return counts->n >= judgement->thresholds->n_plus_one_min && counts->n >= PIPELINED * counts->round_trips;
}

/* Whether all slots that vary are of the roles in the set, and at least one does. */
static bool varies_only(const struct verdict_evidence *evidence, unsigned roles)
{
    if (evidence->varying == 0 || evidence->varies_elsewhere) return false;
    for (unsigned i = 0; i < evidence->slot_count; i++) {
        if ((evidence->varying >> i & 1) && !(roles >> evidence->roles[i] & 1)) return false;
    }
    return true;
}

static bool has_limit(const struct verdict_evidence *evidence)
{
    for (unsigned i = 0; i < evidence->slot_count; i++) {
        if (evidence->roles[i] == SLOT_LIMIT) return true;
    }
    return false;
}

static const unsigned paging_roles = 1U << SLOT_LIMIT | 1U << SLOT_OFFSET;
static const unsigned keyset_roles = 1U << SLOT_LIMIT | 1U << SLOT_RANGE;

static bool is_polled(const struct judgement *judgement)
{
    const struct verdict_counts *counts = &judgement->evidence->counts;
    return judgement->unit->is_alone && counts->distinct == 1 && counts->n >= judgement->thresholds->loop_min &&
           counts->min_gap_us >= LOOP_PAUSE_MAX_US;
}

/* ---- what is said ---- */

static void say(struct judgement *judgement, enum verdict verdict, enum confidence confidence, uint32_t n, uint32_t repeats)
{
    const struct verdict_counts *counts = &judgement->evidence->counts;
    const struct verdict_thresholds *thresholds = judgement->thresholds;
    uint32_t trips = counts->round_trips > 0 ? counts->round_trips - 1 : 0;
    if (repeats < trips) trips = repeats;
    int64_t lost_us = counts->min_cost_us == INT64_MAX ? 0 : (int64_t)trips * counts->min_cost_us;
    enum severity severity = SEVERITY_WARNING;
    if (verdict == VERDICT_BATCHED || verdict == VERDICT_POLLING) {
        severity = SEVERITY_INFO;
    } else if (n >= thresholds->critical_n || lost_us >= thresholds->critical_lost_us) {
        severity = SEVERITY_CRITICAL;
    }
    judgement->findings[judgement->count++] =
        (struct verdict_finding){.verdict = verdict, .confidence = confidence, .severity = severity, .lost_us = lost_us};
}

static void judge_repeats(struct judgement *judgement)
{
    const struct verdict_counts *counts = &judgement->evidence->counts;
    uint32_t least = judgement->thresholds->duplicates_min;
    if (is_polled(judgement)) {
        say(judgement, VERDICT_POLLING, CONFIDENCE_LIKELY, counts->n, counts->duplicates);
    } else if (!are_requests(judgement) && per_request(judgement, counts->most) >= least) {
        say(judgement, VERDICT_EXACT_DUPLICATE, confidence_of(judgement, true), counts->most, counts->duplicates);
    }
    if (per_request(judgement, counts->most_rereads) >= least)
        say(judgement, VERDICT_REREAD_AFTER_WRITE, confidence_of(judgement, true), counts->most_rereads, counts->rereads);
}

static void judge_different(struct judgement *judgement)
{
    const struct verdict_evidence *evidence = judgement->evidence;
    const struct verdict_counts *counts = &evidence->counts;
    bool are_many = per_request(judgement, counts->distinct) >= judgement->thresholds->n_plus_one_min;
    bool are_enough = counts->distinct >= judgement->thresholds->n_plus_one_min_proven;
    enum confidence guess = confidence_of(judgement, false);

    if (counts->distinct < 2 || is_of_portions(judgement)) return;
    if (is_pipelined(judgement)) {
        if (are_many) say(judgement, VERDICT_BATCHED, confidence_of(judgement, true), counts->n, counts->n);
    } else if (varies_only(evidence, paging_roles)) {
        if (are_many) say(judgement, VERDICT_PAGINATION, confidence_of(judgement, true), counts->n, counts->n);
    } else if (evidence->feed.link == LINK_SELF && are_enough) {
        bool is_paging = evidence->roles[evidence->feed.slot] == SLOT_RANGE;
        say(judgement, is_paging ? VERDICT_PAGINATION : VERDICT_RECURSIVE_WALK, CONFIDENCE_PROVEN, counts->n, counts->n);
    } else if (has_proof(evidence) && are_enough) {
        say(judgement, VERDICT_N_PLUS_ONE, CONFIDENCE_PROVEN, counts->n, counts->n);
    } else if (are_many && varies_only(evidence, keyset_roles) && has_limit(evidence)) {
        say(judgement, VERDICT_PAGINATION, guess, counts->n, counts->n);
    } else if (are_many && !are_requests(judgement)) {
        say(judgement, VERDICT_N_PLUS_ONE, guess, counts->n, counts->n);
    }
}

static void judge_writes(struct judgement *judgement)
{
    const struct verdict_evidence *evidence = judgement->evidence;
    const struct verdict_counts *counts = &evidence->counts;
    if (counts->list_values >= (uint64_t)judgement->thresholds->n_plus_one_min * counts->n) return;
    if (counts->n < judgement->thresholds->loop_min) return;
    if (is_pipelined(judgement)) {
        say(judgement, VERDICT_BATCHED, confidence_of(judgement, true), counts->n, counts->n);
        return;
    }
    bool is_proven = has_proof(evidence);
    if (!is_proven && (are_requests(judgement) || per_request(judgement, counts->n) < judgement->thresholds->loop_min)) return;
    say(judgement, evidence->class == SHAPE_INSERT ? VERDICT_INSERT_LOOP : VERDICT_WRITE_LOOP,
        is_proven ? CONFIDENCE_PROVEN : confidence_of(judgement, false), counts->n, counts->n);
}

size_t verdicts_of(const struct verdict_evidence *evidence, const struct verdict_unit *unit, const struct verdict_thresholds *thresholds,
                   struct verdict_finding findings_out[VERDICTS_MAX])
{
    struct judgement judgement = {.evidence = evidence, .unit = unit, .thresholds = thresholds, .findings = findings_out};
    if (evidence->counts.n < 2) return 0;
    switch (evidence->class) {
    case SHAPE_READ:
        judge_repeats(&judgement);
        if (evidence->counts.unknown == 0) judge_different(&judgement);
        break;
    case SHAPE_INSERT:
    case SHAPE_WRITE: judge_writes(&judgement); break;
    case SHAPE_OTHER:
    case SHAPE_BEGIN: break;
    }
    return judgement.count;
}
