/* The results as an SVG: a panel for each unit with an axis of its own, a group of bars for each benchmark.
 *
 * Axes are logarithmic, since contenders are tens of times apart; every bar has its value beside it. Colours are of a
 * middle brightness, and text and background follow the reader's light or dark scheme. The upright line in a group is
 * what Mesh shall reach, the strictest of its targets. */
#include <math.h>
#include <string.h>

#include "runner.h"

enum {
    WIDTH = 900,
    LEFT = 190,   /* where bars begin */
    RIGHT = 760,  /* where the axis ends; values stand in a column behind */
    BAR = 14,     /* height of a bar, with its gap */
    GROUP = 10,   /* between groups */
    HEADING = 46, /* of a panel: its title, and the numbers of the axis */
    TOP = 84,     /* title and legend */
};

struct panel {
    const char *unit;
    const char *title;
};

static const struct panel panels[] = {
    {"1/s", "Calls, casts or activations a second: longer is better"},
    {"us", "Microseconds: shorter is better"},
    {"ms", "Milliseconds: shorter is better"},
    {"B", "Bytes: shorter is better"},
    {"%", "Per cent of a core, idle: shorter is better"},
};
enum { PANELS = sizeof panels / sizeof panels[0] };

static const char *const colour[WHO_COUNT] = {
    [WHO_MESH] = "#3b82f6",        [WHO_FLOOR] = "#8b949e",        [WHO_CAF] = "#e0861a",
    [WHO_GENSERVER] = "#a371d6",   [WHO_SEMAPHORE] = "#2da37a",    [WHO_TCP_BATCHED] = "#8b949e",
    [WHO_TCP_POLLING] = "#2da37a", [WHO_TCP_BLOCKING] = "#c9b458",
};

static const char *const titles[SUITE_COUNT] = {
    [SUITE_LOCAL] = "on one machine",
    [SUITE_CLUSTER] = "between two programs on one machine",
};

/* The logarithmic axis of one panel: whole decades. */
struct axis {
    double low, high; /* exponents of ten */
};

static const char *colour_of(const char *who)
{
    for (enum who w = WHO_MESH; w < WHO_COUNT; w++)
        if (strcmp(plan_who_name(w), who) == 0)
            return colour[w];
    return "#8b949e";
}

static double place(const struct axis *axis, double value)
{
    double exponent = value > 0 ? log10(value) : axis->low;
    double share = (exponent - axis->low) / (axis->high - axis->low);
    return LEFT + (RIGHT - LEFT) * fmin(fmax(share, 0.004), 1.0);
}

/* The strictest target of a bench; false if it has none. */
static bool goal_of(const struct results *results, const char *bench, double *goal)
{
    bool any = false;
    for (size_t i = 0; i < plan_targets_count; i++) {
        const struct target *t = &plan_targets[i];
        double value;
        if (strcmp(t->bench, bench) != 0 || !results_wanted(results, t, &value))
            continue;
        if (!any || (t->bound != AT_LEAST ? value < *goal : value > *goal))
            *goal = value;
        any = true;
    }
    return any;
}

static bool belongs(const struct result *r, const struct panel *panel)
{
    return strcmp(r->unit, panel->unit) == 0;
}

static bool begins_group(const struct results *results, size_t i)
{
    return i == 0 || strcmp(results->list[i].bench, results->list[i - 1].bench) != 0;
}

/* Measures a panel: its axis and its height; 0 when nothing belongs to it. */
static int measure(const struct results *results, const struct panel *panel, struct axis *axis)
{
    double low = INFINITY, high = 0;
    int height = 0;
    for (size_t i = 0; i < results->count; i++) {
        const struct result *r = &results->list[i];
        double goal = r->median;
        if (!belongs(r, panel))
            continue;
        height += BAR + (begins_group(results, i) ? GROUP : 0);
        goal_of(results, r->bench, &goal);
        high = fmax(high, fmax(r->median, goal));
        low = fmin(low, goal > 0 ? goal : low);
        low = fmin(low, r->median > 0 ? r->median : low);
    }
    axis->low = isfinite(low) ? floor(log10(low)) : 0;
    axis->high = high > 0 ? ceil(log10(high)) : 1;
    if (axis->high <= axis->low)
        axis->high = axis->low + 1;
    return height == 0 ? 0 : height + HEADING;
}

static void draw_axis(const struct axis *axis, int y, int height, FILE *to)
{
    int decades = (int)(axis->high - axis->low);
    int step = decades > 8 ? 2 : 1;
    for (int d = 0; d <= decades; d += step) {
        char text[NAME_BYTES];
        double value = pow(10, axis->low + d), x = place(axis, value);
        fprintf(to, "<line class=\"g\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", x, y + HEADING, x, y + height);
        fprintf(to, "<text class=\"s\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, y + HEADING - 4,
                value < 0.001 || value >= 1e7 ? (snprintf(text, sizeof text, "1e%d", (int)axis->low + d), text)
                                              : table_number(value, text));
    }
}

static void draw_goal(const struct results *results, const char *bench, const struct axis *axis, int y, FILE *to)
{
    double goal;
    char text[NAME_BYTES];
    if (!goal_of(results, bench, &goal))
        return;
    double x = place(axis, goal);
    fprintf(to, "<line class=\"l\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"><title>target: %s</title></line>\n", x,
            y - 2, x, y + BAR, table_number(goal, text));
}

static void draw_panel(const struct results *results, const struct panel *panel, int y, FILE *to)
{
    struct axis axis;
    int height = measure(results, panel, &axis);
    int at = y + HEADING;
    fprintf(to, "<text class=\"h\" x=\"20\" y=\"%d\">%s</text>\n", y + 22, panel->title);
    draw_axis(&axis, y, height, to);
    for (size_t i = 0; i < results->count; i++) {
        const struct result *r = &results->list[i];
        char number[NAME_BYTES];
        if (!belongs(r, panel))
            continue;
        if (begins_group(results, i)) {
            at += GROUP;
            fprintf(to, "<text class=\"t\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LEFT - 10, at + 10,
                    r->bench);
        }
        double x = place(&axis, r->median);
        fprintf(to, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"><title>%s</title></rect>", LEFT,
                at, x - LEFT, BAR - 3, colour_of(r->who), r->who);
        fprintf(to, "<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", WIDTH - 30, at + 9,
                table_number(r->median, number));
        if (strcmp(r->who, "mesh") == 0)
            draw_goal(results, r->bench, &axis, at, to);
        at += BAR;
    }
}

static bool takes_part(const struct results *results, enum who who)
{
    for (size_t i = 0; i < results->count; i++)
        if (strcmp(results->list[i].who, plan_who_name(who)) == 0)
            return true;
    return false;
}

static void draw_legend(const struct results *results, FILE *to)
{
    int x = 20;
    for (enum who w = WHO_MESH; w < WHO_COUNT; w++) {
        if (!takes_part(results, w))
            continue;
        fprintf(to, "<rect x=\"%d\" y=\"52\" width=\"12\" height=\"12\" fill=\"%s\"/>", x, colour[w]);
        fprintf(to, "<text class=\"t\" x=\"%d\" y=\"62\">%s</text>\n", x + 18, plan_who_name(w));
        x += 110;
    }
    fprintf(to, "<line class=\"l\" x1=\"%d\" y1=\"50\" x2=\"%d\" y2=\"66\"/>", x + 6, x + 6);
    fprintf(to, "<text class=\"t\" x=\"%d\" y=\"62\">target</text>\n", x + 18);
}

void chart_write(const struct results *results, FILE *to)
{
    int y = TOP, height[PANELS];
    struct axis axis;
    for (int p = 0; p < PANELS; p++) {
        height[p] = measure(results, &panels[p], &axis);
        y += height[p] + (height[p] > 0 ? 2 * GROUP : 0);
    }
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
            "font-family=\"system-ui, sans-serif\" font-size=\"12\">\n",
            WIDTH, y, WIDTH, y);
    fputs("<style>.b{fill:#ffffff}.t,.h,.s{fill:#1f2328}.h{font-size:14px;font-weight:600}.s{font-size:11px}"
          ".g{stroke:#8b949e;stroke-opacity:.35}.l{stroke:#d1242f;stroke-width:2}"
          "@media (prefers-color-scheme: dark){.b{fill:#0d1117}.t,.h,.s{fill:#e6edf3}.l{stroke:#ff7b72}}</style>\n"
          "<rect class=\"b\" width=\"100%\" height=\"100%\"/>\n",
          to);
    fprintf(to, "<text class=\"h\" x=\"20\" y=\"30\">Mesh %s: medians, logarithmic</text>\n", titles[results->suite]);
    draw_legend(results, to);
    y = TOP;
    for (int p = 0; p < PANELS; p++) {
        if (height[p] == 0)
            continue;
        draw_panel(results, &panels[p], y, to);
        y += height[p] + 2 * GROUP;
    }
    fputs("</svg>\n", to);
}
