/* MESH_API marks what the shared library exports; everything else is hidden. */
#ifndef MESH_EXPORT_H
#define MESH_EXPORT_H

#if defined(__GNUC__)
#define MESH_API __attribute__((visibility("default")))
#else
#define MESH_API
#endif

#endif
