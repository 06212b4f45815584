/* proxy/findings_state.h: reading a state never crashes, and what was read is written and read again the same. */
#include "proxy/findings_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/finding_views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    struct findings *findings = findings_new(600000000, 0), *again = findings_new(600000000, 0);
    if (findings_decode(findings, (const char *)data, size, &error) == 0) {
        struct finding_view *views;
        char suggestion[SUGGESTION_MAX];
        size_t text_size;
        char *text = findings_encode(findings, &text_size);
        assert(findings_decode(again, text, text_size, &error) == 0);
        size_t count = finding_views_rank(findings, 0, INT64_C(1700000000000000), &views);
        for (size_t i = 0; i < count; i++) {
            assert(findings_find(again, views[i].finding->id) != NULL);
            finding_suggestion(views[i].finding, suggestion, sizeof suggestion);
            assert(suggestion[0] != '\0');
        }
        free(views);
        free(text);
    } else {
        assert(findings_count(findings) == 0 && error.text[0] != '\0');
    }
    findings_free(&findings);
    findings_free(&again);
    return 0;
}
