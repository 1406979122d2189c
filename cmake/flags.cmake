# Compiler flags of every target, and what each preset adds.
add_library(mesh_flags INTERFACE)
target_compile_definitions(mesh_flags INTERFACE _GNU_SOURCE)
target_compile_options(mesh_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wundef
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
    -fno-omit-frame-pointer -fno-strict-aliasing)
if(MESH_WERROR)
    target_compile_options(mesh_flags INTERFACE -Werror)
endif()

if(MESH_SANITIZE STREQUAL "address")
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(MESH_SANITIZE STREQUAL "thread")
    set(sanitize -fsanitize=thread)
elseif(NOT MESH_SANITIZE STREQUAL "")
    message(FATAL_ERROR "MESH_SANITIZE is '${MESH_SANITIZE}': expected empty, address or thread")
endif()
if(MESH_FUZZ)
    list(APPEND sanitize -fsanitize=fuzzer-no-link)
endif()
target_compile_options(mesh_flags INTERFACE ${sanitize})
target_link_options(mesh_flags INTERFACE ${sanitize})
