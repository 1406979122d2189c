/* Mesh: distributed process management by capability. Programs include this header alone. */
#ifndef MESH_H
#define MESH_H

#include <mesh/error.h>
#include <mesh/log.h>
#include <mesh/placement.h>
#include <mesh/term.h>

#endif
