/* What every fuzz target of this folder starts with: any bytes come in, a broken promise aborts. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <mesh.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
