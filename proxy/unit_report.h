#ifndef PROXY_UNIT_REPORT_H
#define PROXY_UNIT_REPORT_H

#include "proxy/findings.h"
#include "proxy/sampling.h"
#include "proxy/shapes.h"
#include "proxy/units.h"

/* From a unit's groups to findings: evidence, verdicts, and the names and texts that go with them. */
struct unit_reporter {
    struct verdict_thresholds thresholds;
    struct findings *findings;
    struct shapes *shapes;
    struct sampling *sampling;
    int64_t wall_offset_us;
    void *context;
    void (*found)(void *context, const struct finding_notice *notice,
                  const struct observation *observation); /* what is to be logged; may be NULL */
    uint64_t found_count[VERDICT_COUNT];
};

/* The unit is over. */
void unit_report_end(struct unit_reporter *reporter, const struct unit *unit, int64_t now_us);
/* Its transaction is; what is found there is taken out of the unit. Whether there was anything. */
bool unit_report_transaction(struct unit_reporter *reporter, struct unit *unit, uint32_t transaction, int64_t now_us);
/* The group has just come to a threshold, maybe. */
void unit_report_live(struct unit_reporter *reporter, struct unit *unit, struct unit_group *group, uint32_t transaction, int64_t now_us);
/* A poll that went on from unit to unit: `counts` are of all of them. */
void unit_report_polling(struct unit_reporter *reporter, const struct unit *unit, const struct unit_group *group,
                         const struct verdict_counts *counts, int64_t now_us);
/* What sampling.h calls a key. */
uint64_t unit_report_sampling_key(const struct unit *unit, uint64_t shape);

#endif
