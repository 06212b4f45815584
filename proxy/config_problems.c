/*
 * The list of what is wrong with a configuration. It knows neither the files nor the settings, and opens nothing.
 */
#include "proxy/config_problems.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

void config_problems_add(struct config_problems *problems, enum config_severity severity, const char *file, unsigned line,
                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = memory_alloc((size_t)size + 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);

    problems->items = memory_realloc(problems->items, (problems->count + 1) * sizeof *problems->items);
    problems->items[problems->count++] =
        (struct config_problem){.file = memory_strdup(file), .line = line, .text = text, .is_warning = severity == CONFIG_WARNING};
}

static bool is_before(const struct config_problem *a, const struct config_problem *b, const char *first_file)
{
    bool a_is_first = strcmp(a->file, first_file) == 0;
    bool b_is_first = strcmp(b->file, first_file) == 0;
    if (a_is_first != b_is_first) return a_is_first;
    return (a->line ? a->line : UINT_MAX) < (b->line ? b->line : UINT_MAX);
}

void config_problems_sort(struct config_problems *problems, const char *first_file)
{
    /* By insertion: stable, and nearly sorted is how they come. */
    for (size_t i = 1; i < problems->count; i++) {
        struct config_problem problem = problems->items[i];
        size_t place = i;
        for (; place > 0 && is_before(&problem, &problems->items[place - 1], first_file); place--)
            problems->items[place] = problems->items[place - 1];
        problems->items[place] = problem;
    }
}

bool config_problems_forbid_use(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        if (!problems->items[i].is_warning) return true;
    }
    return false;
}

void config_problems_print(const struct config_problems *problems, FILE *out)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        const char *kind = problem->is_warning ? "warning: " : "";
        if (problem->line)
            fprintf(out, "%s:%u: %s%s\n", problem->file, problem->line, kind, problem->text);
        else
            fprintf(out, "%s: %s%s\n", problem->file, kind, problem->text);
    }
}

void config_problems_fini(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->items[i].file);
        free(problems->items[i].text);
    }
    free(problems->items);
    *problems = (struct config_problems){.items = NULL};
}
