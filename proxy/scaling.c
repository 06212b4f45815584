/*
 * Numbers for autoscalers. Pure: the turnstile is looked at, nothing is decided for it.
 */
#include "proxy/scaling.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whoever has asked for a lease: those who got one, wait for one, or were turned away. (Those who left the queue by themselves are missed.) */
static uint64_t arrivals_of(const struct turnstile_class *class)
{
    return class->granted + class->waiting + class->refused_queue_full;
}

void scaling_read(struct scaling *scaling, const struct turnstile *turnstile)
{
    uint32_t count = turnstile_class_count(turnstile);
    for (uint32_t i = 0; i < count && i < SCALING_CLASSES_MAX; i++) {
        const struct turnstile_class *class = turnstile_class_at(turnstile, i);
        struct scaling_class *kept = &scaling->classes[i];
        if (strncmp(kept->name, class->name, sizeof kept->name - 1) != 0) {
            memset(kept, 0, sizeof *kept);
            snprintf(kept->name, sizeof kept->name, "%s", class->name);
        }
        kept->arrivals[kept->next] = arrivals_of(class);
        kept->next = (kept->next + 1) % (SCALING_WINDOW_S + 1);
        if (kept->count <= SCALING_WINDOW_S) kept->count++;
    }
}

static double arrivals_a_second(const struct scaling_class *kept)
{
    if (kept->count < 2) return 0;
    uint32_t size = SCALING_WINDOW_S + 1, newest = (kept->next + size - 1) % size, oldest = (kept->next + size - kept->count) % size;
    uint64_t first = kept->arrivals[oldest], last = kept->arrivals[newest];
    return last > first ? (double)(last - first) / (kept->count - 1) : 0;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What is not reserved for others, within the limit. */
static uint32_t usable_slots(const struct turnstile *turnstile, const struct turnstile_class *class, uint32_t budget)
{
    uint32_t of_others = 0;
    for (uint32_t i = 0; i < turnstile_class_count(turnstile); i++) {
        const struct turnstile_class *other = turnstile_class_at(turnstile, i);
        if (other != class && !other->is_retired) of_others += other->rules.reserve;
    }
    uint32_t slots = budget > of_others ? budget - of_others : 0;
    if (slots < class->rules.reserve) slots = least(class->rules.reserve, budget);
    return class->rules.limit > 0 ? least(slots, class->rules.limit) : slots;
}

static uint32_t rounded_up(double number)
{
    if (!(number > 0)) return 0;
    return number < UINT32_MAX ? (uint32_t)ceil(number - 1e-9) : UINT32_MAX;
}

/* By how much one connected worker keeps a slot busy, from those that are: 0 to 1. */
static double busy_part(const struct scaling_view *view)
{
    if (view->clients == 0) return 0;
    double part = view->slots_needed / view->clients;
    return part < 1 ? part : 1;
}

static uint32_t within(uint32_t workers, const struct scaling_rules *rules)
{
    if (rules->workers_max > 0) workers = least(workers, rules->workers_max);
    return workers < rules->workers_min ? rules->workers_min : workers;
}

/* Enough for what comes in, and to work the backlog off within a window. */
static uint32_t wanted_workers(const struct scaling_view *view, const struct scaling_rules *rules)
{
    double rate = view->arrivals + (double)view->backlog / SCALING_WINDOW_S;
    if (rules->events_per_worker > 0) return rounded_up(rate / rules->events_per_worker);
    /* What a worker makes is taken from those that are connected. */
    return view->arrivals > 0 ? rounded_up(rate * view->clients / view->arrivals) : view->clients;
}

void scaling_view(const struct scaling *scaling, const struct turnstile *turnstile, uint32_t index, uint32_t budget, uint32_t clients,
                  const struct scaling_rules *rules, struct scaling_view *view_out)
{
    const struct turnstile_class *class = turnstile_class_at(turnstile, index);
    *view_out = (struct scaling_view){.clients = clients, .backlog = class->waiting};
    if (index < SCALING_CLASSES_MAX) view_out->arrivals = arrivals_a_second(&scaling->classes[index]);
    if (class->lease_us.count > 0) view_out->mean_lease_us = (int64_t)(class->lease_us.sum / class->lease_us.count);
    view_out->p99_lease_us = (int64_t)histogram_recent_percentile(&class->lease_us, 0.99);
    view_out->slots_needed = view_out->arrivals * (double)view_out->mean_lease_us / 1e6;
    view_out->slots_usable = usable_slots(turnstile, class, budget);
    double part = busy_part(view_out);
    if (part > 0) view_out->workers_useful = rounded_up(view_out->slots_usable / part);
    uint32_t workers = wanted_workers(view_out, rules);
    if (view_out->workers_useful > 0) workers = least(workers, view_out->workers_useful);
    view_out->workers = within(workers, rules);
}

bool scaling_of_class(const struct scaling *scaling, const struct turnstile *turnstile, const struct config *config, uint32_t index,
                      struct scaling_view *view_out)
{
    if (index >= config->class_count) return false;
    const struct config_class *class = &config->classes[index];
    struct scaling_rules rules = {.workers_min = (uint32_t) class->workers_min,
                                  .workers_max = (uint32_t) class->workers_max,
                                  .events_per_worker = (uint32_t) class->events_per_worker};
    scaling_view(scaling, turnstile, index, (uint32_t)config->settings.budget, turnstile_class_at(turnstile, index)->clients, &rules,
                 view_out);
    return true;
}
