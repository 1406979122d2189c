# Compiler flags of every target, what each preset adds, and what hardens the builds that ship.
include(CheckCCompilerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C CXX)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# Without CMake's -DNDEBUG: the asserts here are cheap, and stay on in what ships and under the sanitizers.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")

add_library(mesh_flags INTERFACE)
target_compile_definitions(mesh_flags INTERFACE _GNU_SOURCE)
target_compile_options(mesh_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wundef -Wformat=2 -Wformat-security
    -Wvla $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
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
if(MESH_SANITIZE)
    target_compile_definitions(mesh_flags INTERFACE MESH_PERTURB) # src/base/perturb.h
endif()
target_compile_options(mesh_flags INTERFACE ${sanitize})
target_link_options(mesh_flags INTERFACE ${sanitize})

# Adds a flag to every target if the compiler knows it.
function(mesh_harden flag)
    string(MAKE_C_IDENTIFIER "MESH_HAS${flag}" known)
    set(CMAKE_REQUIRED_FLAGS -Werror)
    set(CMAKE_REQUIRED_QUIET ON)
    check_c_compiler_flag(${flag} ${known})
    if(${known})
        target_compile_options(mesh_flags INTERFACE ${flag})
    endif()
endfunction()

# Hardening of optimised builds without sanitizers (fortified calls would go round the sanitizers' own checks).
#
# -fstack-protector-strong: every thread has the same canary, so a coroutine may return on another thread than the one
# it was entered on; it cost 0.7 ns on a copy, an encode and an enqueue of 12.3 ns together.
# -fstack-clash-protection: a large frame touches its pages in order and so meets the guard of a coroutine stack.
# Not here: -fcf-protection, since a shadow stack does not follow a switch between stacks.
if(NOT MESH_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    set(fortify 3)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 12)
        set(fortify 2)
    endif()
    target_compile_options(mesh_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${fortify})
    mesh_harden(-fstack-protector-strong)
    mesh_harden(-fstack-clash-protection)
    target_link_options(mesh_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# The path of a call goes through five folders: compiled as one it is a sixth faster (docs/performance.md). The objects
# hold ordinary code as well, so that the static library can be linked by any linker.
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT MESH_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(mesh_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-flto=auto -ffat-lto-objects>)
endif()
