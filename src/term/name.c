/* Spelling of atoms, after Elixir's Macro.inspect_atom and its tokenizer. */
#include "term/name.h"

static bool is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_beyond_ascii(char c)
{
    return (c & 0x80) != 0;
}

static bool is_letter(char c)
{
    return is_lower(c) || is_upper(c) || is_beyond_ascii(c);
}

size_t name_identifier(const char *text, size_t len)
{
    if (len == 0 || !is_letter(text[0]))
        return 0;
    size_t n = 1;
    while (n < len && (is_letter(text[n]) || is_digit(text[n]) || text[n] == '@'))
        n++;
    if (n < len && (text[n] == '?' || text[n] == '!'))
        n++;
    return n;
}

size_t name_alias(const char *text, size_t len)
{
    size_t n = 0;
    do {
        size_t part = n + (n > 0);
        if (part >= len || !is_upper(text[part]))
            return n;
        for (n = part + 1; n < len && (is_upper(text[n]) || is_lower(text[n]) || is_digit(text[n]));)
            n++;
    } while (n < len && text[n] == '.');
    return n;
}

size_t name_operator(const char *text, size_t len)
{
    static const char *const operators[] = {
        "..//", "<<>>", "!==", "%{}", "&&&", "+++", "---", "...", "<<<", "<<~", "<~>", "===", ">>>", "|||", "~>>", "!=",
        "&&",   "**",   "++",  "--",  "->",  "..",  "<-",  "<=",  "<>",  "<~",  "==",  "=~",  ">=",  "|>",  "||",  "~>",
        "\\\\", "{}",   "!",   "%",   "&",   "*",   "+",   "-",   ".",   "/",   "<",   "=",   ">",   "@",   "^",   "|",
    };
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t n = strlen(operators[i]);
        if (n <= len && memcmp(text, operators[i], n) == 0)
            return n;
    }
    return 0;
}

bool name_is_module(mesh_bytes name)
{
    return name.len >= 7 && memcmp(name.data, "Elixir.", 7) == 0;
}

enum name_kind name_kind(mesh_bytes name)
{
    const char *text = name.data;
    if (name.len == 6 && memcmp(text, "Elixir", 6) == 0)
        return NAME_ALIAS;
    if (name_is_module(name))
        return name_alias(text + 7, name.len - 7) == name.len - 7 && name.len > 7 ? NAME_ALIAS : NAME_QUOTED;
    for (size_t i = 0; i < name.len; i++)
        if (is_beyond_ascii(text[i]))
            return NAME_QUOTED;
    if (name.len > 0 && (name_identifier(text, name.len) == name.len || name_operator(text, name.len) == name.len))
        return NAME_PLAIN;
    return NAME_QUOTED;
}
