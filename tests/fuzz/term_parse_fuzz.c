/* Any text: as a term it is refused, or makes a good term; as a pattern it is refused, or builds and matches. */
#include <stdlib.h>

#include "fuzz/fuzz.h"

static void as_pattern(const char *text)
{
    static int n = 7;
    const mesh_arg numbers[2] = {mesh_arg_int(n), mesh_arg_int(-1)};
    const mesh_arg targets[2] = {mesh_arg_to_int(&n), mesh_arg_to_int(&n)};
    static const uint8_t given[] = {104, 2, 107, 0, 2, 1, 2, 116, 0, 0, 0, 1, 119, 1, 'a', 97, 1};
    mesh_buf b;
    mesh_buf_init(&b);
    for (size_t count = 0; count <= 2; count++) {
        int error = mesh_build_args(&b, text, numbers, count, NULL);
        if (error == MESH_OK && mesh_term_check(b.data, b.len, NULL, NULL) != MESH_OK)
            abort();
        if (error != MESH_OK && b.len != 0)
            abort();
        mesh_match_args((mesh_term){given, sizeof given, NULL}, text, targets, count, NULL);
        if (error == MESH_OK && mesh_match_args(mesh_buf_term(&b), text, targets, count, NULL) == MESH_ENOMATCH)
            abort();
        n = 7;
    }
    mesh_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mesh_buf b, text;
    size_t column = 1;
    char *copy = malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    copy[size] = '\0';
    mesh_buf_init(&b);
    mesh_buf_init(&text);
    int error = mesh_parse((const char *)data, size, &b, &column);
    if (error == MESH_OK &&
        (mesh_term_check(b.data, b.len, NULL, NULL) != MESH_OK || mesh_inspect(mesh_buf_term(&b), &text) != MESH_OK))
        abort();
    if (error != MESH_OK && (b.len != 0 || column < 1 || column > size + 2))
        abort();
    as_pattern(copy);
    mesh_buf_fini(&b);
    mesh_buf_fini(&text);
    free(copy);
    return 0;
}
