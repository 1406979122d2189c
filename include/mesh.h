/* Mesh: distributed process management by capability. Programs include this header alone. */
#ifndef MESH_H
#define MESH_H

#include <mesh/bytes.h>
#include <mesh/call.h>
#include <mesh/cluster.h>
#include <mesh/discovery.h>
#include <mesh/error.h>
#include <mesh/log.h>
#include <mesh/module.h>
#include <mesh/node.h>
#include <mesh/placement.h>
#include <mesh/plugin.h>
#include <mesh/process.h>
#include <mesh/stats.h>
#include <mesh/term.h>

#endif
