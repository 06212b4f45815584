/* Pictures: plain SVG without anything from elsewhere. The colours are told apart by the colour-blind too (Okabe and Ito), and lines by their dashes. */
#include "tests/sim/picture.h"

#include <stdio.h>

enum { LEFT = 64, TOP = 84, COLUMN_WIDTH = 330, GAP = 34, SLOTS_HEIGHT = 190, BETWEEN = 44, QUEUE_HEIGHT = 150, BOTTOM = 54 };

static const char *const colours[SIM_KINDS] = {"#0072B2", "#E69F00", "#009E73", "#CC79A7"};
static const char *const dashes[SIM_KINDS] = {"none", "7 3", "2 3", "9 3 2 3"};

struct panel {
    FILE *file;
    double x, y, width, height, most;
};

static double x_of(const struct panel *panel, uint32_t sample)
{
    return panel->x + panel->width * sample / SIM_SAMPLES;
}

static double y_of(const struct panel *panel, double value)
{
    return panel->y + panel->height * (1 - value / panel->most);
}

static void text(FILE *file, double x, double y, const char *anchor, int size, const char *string)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" font-size=\"%d\">%s</text>\n", x, y, anchor, size, string);
}

/* A round number of which four or five make up the axis. */
static double step_of(double most)
{
    double step = 1;
    for (int i = 0; step * 5 < most; i++) step *= i % 3 == 1 ? 2.5 : 2;
    return step;
}

static void draw_axes(const struct panel *panel, double seconds, bool has_labels, bool has_times)
{
    char label[32];
    for (double value = 0, step = step_of(panel->most); value <= panel->most; value += step) {
        double y = y_of(panel, value);
        fprintf(panel->file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", panel->x, panel->x + panel->width,
                y, y);
        snprintf(label, sizeof label, "%.0f", value);
        if (has_labels) text(panel->file, panel->x - 6, y + 4, "end", 11, label);
    }
    for (double time = 0, step = step_of(seconds); time <= seconds; time += step) {
        double x = panel->x + panel->width * time / seconds;
        fprintf(panel->file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#333\"/>\n", x, x, panel->y + panel->height,
                panel->y + panel->height + 4);
        snprintf(label, sizeof label, "%.0f", time);
        if (has_times) text(panel->file, x, panel->y + panel->height + 17, "middle", 11, label);
    }
    fprintf(panel->file, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" stroke=\"#333\"/>\n", panel->x, panel->y,
            panel->width, panel->height);
}

/* Leases of one kind on top of those listed before it. */
static void draw_area(const struct panel *panel, const struct sim_result *result, uint32_t kind)
{
    fprintf(panel->file, "<path fill=\"%s\" d=\"M", colours[kind]);
    for (uint32_t i = 0; i < SIM_SAMPLES; i++) {
        uint32_t sum = 0;
        for (uint32_t j = 0; j <= kind; j++) sum += result->samples[i].leased[j];
        fprintf(panel->file, "%.1f %.1fH%.1f", x_of(panel, i), y_of(panel, sum), x_of(panel, i + 1));
        if (i + 1 < SIM_SAMPLES) fputc('L', panel->file);
    }
    for (uint32_t i = SIM_SAMPLES; i-- > 0;) {
        uint32_t sum = 0;
        for (uint32_t j = 0; j < kind; j++) sum += result->samples[i].leased[j];
        fprintf(panel->file, "L%.1f %.1fH%.1f", x_of(panel, i + 1), y_of(panel, sum), x_of(panel, i));
    }
    fputs("Z\"/>\n", panel->file);
}

static void draw_line(const struct panel *panel, const struct sim_result *result, uint32_t kind)
{
    fprintf(panel->file, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" d=\"M", colours[kind], dashes[kind]);
    for (uint32_t i = 0; i < SIM_SAMPLES; i++)
        fprintf(panel->file, "%s%.1f %.1f", i ? "L" : "", x_of(panel, i), y_of(panel, result->samples[i].waiting[kind]));
    fputs("\"/>\n", panel->file);
}

static void draw_legend(FILE *file, const struct sim_load *load)
{
    double x = LEFT;
    for (uint32_t i = 0; i < load->kind_count; i++) {
        fprintf(file, "<rect x=\"%.1f\" y=\"40\" width=\"14\" height=\"14\" fill=\"%s\"/>\n", x, colours[i]);
        fprintf(file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"47\" y2=\"47\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\"/>\n",
                x + 20, x + 52, colours[i], dashes[i]);
        text(file, x + 58, 52, "start", 13, load->kinds[i].name);
        x += 76 + 8.0 * (double)snprintf(NULL, 0, "%s", load->kinds[i].name);
    }
}

static uint32_t most_waiting(const struct sim_load *load, const struct sim_result *results, uint32_t result_count)
{
    uint32_t most = 4;
    for (uint32_t i = 0; i < result_count; i++)
        for (uint32_t j = 0; j < SIM_SAMPLES; j++)
            for (uint32_t kind = 0; kind < load->kind_count; kind++)
                if (results[i].samples[j].waiting[kind] > most) most = results[i].samples[j].waiting[kind];
    return most;
}

int picture_write(const char *path, const char *title, const struct sim_load *load, const struct sim_result *results, uint32_t result_count)
{
    FILE *file = fopen(path, "w");
    if (!file) return -1;
    int width = LEFT + (int)result_count * (COLUMN_WIDTH + GAP), height = TOP + SLOTS_HEIGHT + BETWEEN + QUEUE_HEIGHT + BOTTOM;
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "fill=\"#222\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
            width, height, width, height, width, height);
    text(file, LEFT, 24, "start", 16, title);
    draw_legend(file, load);
    double seconds = (double)load->end_us / SIM_SECOND;
    for (uint32_t i = 0; i < result_count; i++) {
        double x = LEFT + (double)i * (COLUMN_WIDTH + GAP);
        struct panel slots = {file, x, TOP, COLUMN_WIDTH, SLOTS_HEIGHT, load->budget};
        struct panel queue = {
            file, x, TOP + SLOTS_HEIGHT + BETWEEN, COLUMN_WIDTH, QUEUE_HEIGHT, most_waiting(load, results, result_count) * 1.05};
        text(file, x + COLUMN_WIDTH / 2.0, TOP - 10, "middle", 13, sim_rule_names[results[i].rule]);
        for (uint32_t kind = 0; kind < load->kind_count; kind++) draw_area(&slots, &results[i], kind);
        draw_axes(&slots, seconds, i == 0, false);
        draw_axes(&queue, seconds, i == 0, true);
        for (uint32_t kind = 0; kind < load->kind_count; kind++) draw_line(&queue, &results[i], kind);
        text(file, x + COLUMN_WIDTH / 2.0, height - 14, "middle", 12, "seconds");
    }
    fprintf(file, "<text transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\" font-size=\"12\">slots leased (of %u)</text>\n",
            TOP + SLOTS_HEIGHT / 2, load->budget);
    fprintf(file, "<text transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\" font-size=\"12\">clients waiting</text>\n",
            TOP + SLOTS_HEIGHT + BETWEEN + QUEUE_HEIGHT / 2);
    fputs("</svg>\n", file);
    return fclose(file) == 0 ? 0 : -1;
}
