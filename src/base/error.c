/* Names and texts of the errors in mesh/error.h. */
#include <mesh/error.h>

const char *mesh_strerror(int error)
{
    switch (error) {
    case MESH_OK:
        return "ok";
#define TEXT(name, text)                                                                                               \
    case MESH_##name:                                                                                                  \
        return text;
        MESH_ERRORS(TEXT)
#undef TEXT
    default:
        return "unknown error";
    }
}

const char *mesh_error_name(int error)
{
    switch (error) {
    case MESH_OK:
        return "MESH_OK";
#define NAME(name, text)                                                                                               \
    case MESH_##name:                                                                                                  \
        return "MESH_" #name;
        MESH_ERRORS(NAME)
#undef NAME
    default:
        return "MESH_EUNKNOWN";
    }
}
