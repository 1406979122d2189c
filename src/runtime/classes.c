/* Modules, capabilities, and their pairs: classes.
 *
 * All three are added and never removed while the node lives, so that whoever found one may keep it. Lists are changed
 * under runtime->lock; the buckets of classes are read without it. A worker finds a class by the addresses of the
 * names it was asked for before, and then compares the texts: names are mostly constants. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime.h"

static struct module *find_module(struct runtime *rt, const char *name)
{
    struct module *m = rt->modules;
    while (m != NULL && strcmp(m->ops.name, name) != 0)
        m = m->next;
    return m;
}

const struct module *runtime_module(struct runtime *rt, const char *name)
{
    pthread_mutex_lock(&rt->lock);
    const struct module *m = find_module(rt, name);
    pthread_mutex_unlock(&rt->lock);
    return m;
}

struct capability *runtime_capability(struct runtime *rt, const char *name)
{
    pthread_mutex_lock(&rt->lock);
    struct capability *c = rt->capabilities;
    while (c != NULL && strcmp(c->name, name) != 0)
        c = c->next;
    pthread_mutex_unlock(&rt->lock);
    return c;
}

static bool same_module(const mesh_module *a, const mesh_module *b)
{
    return a->state_size == b->state_size && a->init == b->init && a->handle_call == b->handle_call &&
           a->handle_cast == b->handle_cast && a->handle_info == b->handle_info && a->terminate == b->terminate &&
           a->snapshot == b->snapshot && a->restore == b->restore && a->idle_timeout_ms == b->idle_timeout_ms &&
           a->max_mailbox == b->max_mailbox;
}

static void add_module(struct runtime *rt, const mesh_module *module)
{
    struct module *m = must_calloc(1, sizeof *m);
    m->ops = *module;
    m->ops.name = must_copy(module->name, strlen(module->name));
    m->index = rt->module_count++;
    m->next = rt->modules;
    rt->modules = m;
}

/* Whether the name of modules[at] has another definition, in the runtime or before it in the list. */
static bool clashes(struct runtime *rt, const mesh_module *const *modules, size_t at)
{
    const struct module *m = find_module(rt, modules[at]->name);
    bool clash = m != NULL && !same_module(&m->ops, modules[at]);
    for (size_t i = 0; i < at && !clash; i++)
        clash = strcmp(modules[i]->name, modules[at]->name) == 0 && !same_module(modules[i], modules[at]);
    return clash;
}

int runtime_add_modules(struct runtime *rt, const mesh_module *const *modules, size_t count, size_t *clash)
{
    pthread_mutex_lock(&rt->lock);
    size_t i = 0;
    while (i < count && !clashes(rt, modules, i))
        i++;
    bool ok = i == count;
    if (!ok && clash != NULL)
        *clash = i;
    for (i = 0; ok && i < count; i++)
        if (find_module(rt, modules[i]->name) == NULL)
            add_module(rt, modules[i]);
    pthread_mutex_unlock(&rt->lock);
    return ok ? MESH_OK : MESH_EEXISTS;
}

int runtime_add_capability(struct runtime *rt, const char *name, uint32_t shards, struct capability **capability)
{
    struct row *rows = calloc(shards, sizeof *rows);
    if (rows == NULL)
        return MESH_ENOMEM;
    struct capability *c = must_calloc(1, sizeof *c);
    c->name = must_copy(name, strlen(name));
    c->shards = shards;
    c->rows = rows;
    pthread_mutex_lock(&rt->lock);
    c->index = rt->capability_count++;
    c->next = rt->capabilities;
    rt->capabilities = c;
    pthread_mutex_unlock(&rt->lock);
    *capability = c;
    return MESH_OK;
}

/* ---- Classes ---- */

static uint64_t hash_names(struct runtime *rt, const char *module, const char *capability)
{
    return siphash13(rt->key, module, strlen(module)) ^ (siphash13(rt->key, capability, strlen(capability)) << 1);
}

static bool is_class(const struct class *c, const char *module, const char *capability)
{
    return strcmp(c->module->ops.name, module) == 0 && strcmp(c->capability->name, capability) == 0;
}

static struct class *find(struct runtime *rt, uint64_t hash, const char *module, const char *capability)
{
    /* Acquire: pairs with the release in make. */
    struct class *c = atomic_load_explicit(&rt->buckets[hash % CLASS_BUCKETS], memory_order_acquire);
    while (c != NULL && !is_class(c, module, capability))
        c = c->next;
    return c;
}

/* Sets what a module leaves to the node, and has the hand move if its processes passivate. */
static void set_limits(struct runtime *rt, struct class *c)
{
    const mesh_module *ops = &c->module->ops;
    c->max_mailbox = ops->max_mailbox != 0 ? ops->max_mailbox : rt->options.max_mailbox;
    c->idle_timeout_ms = ops->idle_timeout_ms != 0 ? ops->idle_timeout_ms : rt->options.idle_timeout_ms;
    if (c->idle_timeout_ms == 0)
        c->idle_timeout_ms = MESH_NEVER;
    if (c->idle_timeout_ms == MESH_NEVER)
        return;
    uint64_t round_ns = (uint64_t)c->idle_timeout_ms * 1000000 / 4;
    if (round_ns < atomic_load_explicit(&rt->round_ns, memory_order_relaxed))
        atomic_store_explicit(&rt->round_ns, round_ns < 20000000 ? 20000000 : round_ns, memory_order_relaxed);
    atomic_store_explicit(&rt->passivates, true, memory_order_relaxed);
}

static int make(struct runtime *rt, uint64_t hash, const char *module, const char *capability, struct class **class)
{
    const struct module *m = runtime_module(rt, module);
    struct capability *cap = runtime_capability(rt, capability);
    if (m == NULL)
        return MESH_ENOMODULE;
    if (cap == NULL)
        return MESH_ENOCAPABILITY;
    int rc = MESH_OK;
    pthread_mutex_lock(&rt->lock);
    struct class *c = find(rt, hash, module, capability);
    if (c == NULL && atomic_load_explicit(&rt->class_count, memory_order_relaxed) == CLASSES_MAX) {
        rc = MESH_ELIMIT;
    } else if (c == NULL) {
        c = must_calloc(1, sizeof *c);
        c->capability = cap;
        c->module = m;
        c->index = atomic_load_explicit(&rt->class_count, memory_order_relaxed);
        c->salt = hash;
        class_lay_out(c);
        set_limits(rt, c);
        c->next = atomic_load_explicit(&rt->buckets[hash % CLASS_BUCKETS], memory_order_relaxed);
        rt->class_by_index[c->index] = c;
        atomic_store_explicit(&rt->class_count, c->index + 1, memory_order_release);
        atomic_store_explicit(&rt->buckets[hash % CLASS_BUCKETS], c, memory_order_release);
    }
    pthread_mutex_unlock(&rt->lock);
    *class = c;
    return rc;
}

int runtime_class(struct runtime *rt, struct worker *w, const char *module, const char *capability,
                  struct class **class)
{
    struct class_cache_entry *cached = NULL;
    if (w != NULL) {
        uintptr_t address = (uintptr_t)module ^ (uintptr_t)capability * 31;
        cached = &w->classes[(address ^ address >> 6) % CLASS_CACHE];
        if (cached->module == module && cached->capability == capability &&
            is_class(cached->class, module, capability)) {
            *class = cached->class;
            return MESH_OK;
        }
    }
    uint64_t hash = hash_names(rt, module, capability);
    *class = find(rt, hash, module, capability);
    if (*class == NULL) {
        int rc = make(rt, hash, module, capability, class);
        if (rc != MESH_OK)
            return rc;
    }
    if (cached != NULL)
        *cached = (struct class_cache_entry){module, capability, *class};
    return MESH_OK;
}

void classes_fini(struct runtime *rt)
{
    for (uint32_t i = 0; i < atomic_load_explicit(&rt->class_count, memory_order_relaxed); i++)
        free(rt->class_by_index[i]);
    while (rt->modules != NULL) {
        struct module *m = rt->modules;
        rt->modules = m->next;
        free((char *)m->ops.name);
        free(m);
    }
    while (rt->capabilities != NULL) {
        struct capability *c = rt->capabilities;
        rt->capabilities = c->next;
        for (uint32_t i = 0; i < c->shards; i++)
            slab_array_put(&rt->arrays, c->rows[i].actors, c->rows[i].capacity * sizeof *c->rows[i].actors);
        free(c->rows);
        free(c->name);
        free(c);
    }
}
