/* Rows and columns. A cell is kept as it is to be shown, with its width; JSON is written from what was given. */
#include "cli/columns.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/words.h"

struct cell {
    char *text; /* as given, NUL behind it */
    size_t len;
    char *shown; /* safe for a terminal */
    size_t width;
    bool number;
    bool none;
    char *json; /* NULL: the text as a string, or a number */
};

struct columns {
    const char *const *headings;
    size_t columns;
    struct cell *cells;
    size_t count, room;
};

static void *need(void *memory)
{
    if (memory == NULL) {
        fputs("mesh: out of memory\n", stderr);
        abort();
    }
    return memory;
}

struct columns *columns_create(const char *const *headings, size_t count)
{
    assert(count > 0);
    struct columns *t = need(calloc(1, sizeof *t));
    t->headings = headings;
    t->columns = count;
    return t;
}

void columns_destroy(struct columns *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->cells[i].text);
        free(t->cells[i].shown);
        free(t->cells[i].json);
    }
    free(t->cells);
    free(t);
}

/* ---- Cells ---- */

/* Writes the cell as a terminal may have it, and counts its places. */
static void show(struct cell *cell)
{
    size_t used = 0, n;
    int width;
    cell->shown = need(malloc(4 * cell->len + 1));
    for (size_t at = 0; at < cell->len; at += n) {
        n = words_character(cell->text + at, cell->len - at, &width);
        for (size_t i = 0; width < 0 && i < n; i++) {
            used += (size_t)snprintf(cell->shown + used, 5, "\\x%02x", (unsigned)(unsigned char)cell->text[at + i]);
            cell->width += 4;
        }
        if (width < 0)
            continue;
        memcpy(cell->shown + used, cell->text + at, n);
        used += n;
        cell->width += (size_t)width;
    }
    cell->shown[used] = '\0';
}

static struct cell *add(struct columns *t, mesh_bytes text, bool number)
{
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cells = need(realloc(t->cells, t->room * sizeof *t->cells));
    }
    struct cell *cell = &t->cells[t->count++];
    *cell = (struct cell){.text = need(malloc(text.len + 1)), .len = text.len, .number = number};
    if (text.len > 0)
        memcpy(cell->text, text.data, text.len);
    cell->text[text.len] = '\0';
    show(cell);
    return cell;
}

void columns_text(struct columns *t, mesh_bytes text)
{
    add(t, text, false);
}

void columns_number(struct columns *t, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, number);
    add(t, mesh_str(digits), true);
}

void columns_tenths(struct columns *t, int64_t tenths)
{
    char digits[32];
    int64_t rest = tenths < 0 ? -(tenths % 10) : tenths % 10;
    snprintf(digits, sizeof digits, "%s%" PRId64 ".%" PRId64, tenths < 0 && tenths > -10 ? "-" : "", tenths / 10, rest);
    add(t, mesh_str(digits), true);
}

void columns_none(struct columns *t)
{
    add(t, mesh_str("-"), false)->none = true;
}

/* Writes into memory; *text is the caller's to free after fclose. */
static FILE *open_text(char **text, size_t *len)
{
    return need(open_memstream(text, len));
}

void columns_texts(struct columns *t, const mesh_bytes *texts, size_t count)
{
    char *text = NULL, *json = NULL;
    size_t text_len = 0, json_len = 0;
    FILE *words = open_text(&text, &text_len), *array = open_text(&json, &json_len);
    fputc('[', array);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? ", " : "", array);
        columns_json_string(array, texts[i]);
        fputs(i > 0 ? " " : "", words);
        fwrite(texts[i].data, 1, texts[i].len, words);
    }
    fputc(']', array);
    fclose(words);
    fclose(array);
    add(t, (mesh_bytes){need(text), text_len}, false)->json = need(json);
    free(text);
}

/* ---- For people ---- */

static size_t width_of(const struct columns *t, size_t column)
{
    size_t width = strlen(t->headings[column]);
    for (size_t i = column; i < t->count - t->count % t->columns; i += t->columns)
        width = t->cells[i].width > width ? t->cells[i].width : width;
    return width;
}

static void pad(FILE *to, size_t places)
{
    fprintf(to, "%*s", (int)places, "");
}

/* Whether the column's heading stands above numbers. */
static bool is_of_numbers(const struct columns *t, size_t column)
{
    bool number = false;
    for (size_t i = column; i < t->count - t->count % t->columns && !number; i += t->columns)
        number = t->cells[i].number;
    return number;
}

static void print_headings(const struct columns *t, FILE *to, const size_t *widths, bool colour)
{
    if (colour)
        fputs("\033[1m", to);
    for (size_t i = 0; i < t->columns; i++) {
        bool right = is_of_numbers(t, i), last = i + 1 == t->columns;
        size_t gap = widths[i] - strlen(t->headings[i]);
        if (right)
            pad(to, gap);
        for (const char *c = t->headings[i]; *c; c++)
            fputc(*c == '_' ? ' ' : toupper((unsigned char)*c), to);
        if (!last)
            pad(to, 2 + (right ? 0 : gap));
    }
    fputs(colour ? "\033[0m\n" : "\n", to);
}

void columns_print(const struct columns *t, FILE *to, bool colour)
{
    size_t *widths = need(calloc(t->columns, sizeof *widths));
    for (size_t i = 0; i < t->columns; i++)
        widths[i] = width_of(t, i);
    print_headings(t, to, widths, colour);
    for (size_t i = 0; i < t->count - t->count % t->columns; i++) {
        const struct cell *cell = &t->cells[i];
        bool last = (i + 1) % t->columns == 0;
        bool right = cell->number || (cell->none && is_of_numbers(t, i % t->columns));
        size_t gap = widths[i % t->columns] - cell->width;
        if (right)
            pad(to, gap);
        fputs(cell->shown, to);
        if (last)
            fputc('\n', to);
        else
            pad(to, 2 + (right ? 0 : gap));
    }
    free(widths);
}

/* ---- For programs ---- */

void columns_json_string(FILE *to, mesh_bytes text)
{
    const char *bytes = text.data;
    size_t n;
    fputc('"', to);
    for (size_t at = 0; at < text.len; at += n) {
        unsigned char c = (unsigned char)bytes[at];
        int width;
        n = c < 0x80 ? 1 : words_character(bytes + at, text.len - at, &width);
        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(to, "\\u%04x", c);
        else if (c >= 0x80 && n == 1)
            fputs("\\ufffd", to);
        else
            fwrite(bytes + at, 1, n, to);
    }
    fputc('"', to);
}

void columns_print_json(const struct columns *t, FILE *to)
{
    fputc('[', to);
    for (size_t i = 0; i < t->count - t->count % t->columns; i++) {
        const struct cell *cell = &t->cells[i];
        size_t column = i % t->columns;
        fputs(column > 0 ? ", " : i > 0 ? "},\n {" : "{", to);
        columns_json_string(to, mesh_str(t->headings[column]));
        fputs(": ", to);
        if (cell->none)
            fputs("null", to);
        else if (cell->json != NULL)
            fputs(cell->json, to);
        else if (cell->number)
            fputs(cell->text, to);
        else
            columns_json_string(to, (mesh_bytes){cell->text, cell->len});
    }
    fputs(t->count >= t->columns ? "}]\n" : "]\n", to);
}
