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
           a->snapshot == b->snapshot && a->restore == b->restore && a->conflict == b->conflict &&
           a->idle_timeout_ms == b->idle_timeout_ms && a->max_mailbox == b->max_mailbox;
}

static void add_module(struct runtime *rt, const mesh_module *module)
{
    struct module *m = must_calloc(1, sizeof *m);
    m->ops = *module;
    m->ops.name = must_copy(module->name, strlen(module->name));
    m->index = rt->module_count++;
    m->next = rt->modules;
    rt->modules = m;
    atomic_fetch_add_explicit(&rt->known, 1, memory_order_release);
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
    atomic_fetch_add_explicit(&rt->known, 1, memory_order_release);
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

static struct class *find(_Atomic(struct class *) *buckets, uint64_t hash, const char *module, const char *capability)
{
    /* Acquire: pairs with the release in add. */
    struct class *c = atomic_load_explicit(&buckets[hash % CLASS_BUCKETS], memory_order_acquire);
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

/* runtime->lock held. A class of these, which the buckets do not have; NULL: there are as many as may be. */
static struct class *add(struct runtime *rt, _Atomic(struct class *) *buckets, uint64_t hash, const struct module *m,
                         struct capability *cap)
{
    uint32_t index = atomic_load_explicit(&rt->class_count, memory_order_relaxed);
    if (index == CLASSES_MAX)
        return NULL;
    struct class *c = must_calloc(1, sizeof *c);
    c->capability = cap;
    c->module = m;
    c->index = index;
    c->salt = hash;
    c->foreign = buckets == rt->foreign;
    class_lay_out(c);
    if (!c->foreign)
        set_limits(rt, c);
    c->next = atomic_load_explicit(&buckets[hash % CLASS_BUCKETS], memory_order_relaxed);
    rt->class_by_index[c->index] = c;
    atomic_store_explicit(&rt->class_count, c->index + 1, memory_order_release);
    atomic_store_explicit(&buckets[hash % CLASS_BUCKETS], c, memory_order_release);
    return c;
}

static int make(struct runtime *rt, uint64_t hash, const char *module, const char *capability, struct class **class)
{
    const struct module *m = runtime_module(rt, module);
    struct capability *cap = runtime_capability(rt, capability);
    if (m == NULL)
        return MESH_ENOMODULE;
    if (cap == NULL)
        return MESH_ENOCAPABILITY;
    pthread_mutex_lock(&rt->lock);
    struct class *c = find(rt->buckets, hash, module, capability);
    if (c == NULL)
        c = add(rt, rt->buckets, hash, m, cap);
    pthread_mutex_unlock(&rt->lock);
    *class = c;
    return c != NULL ? MESH_OK : MESH_ELIMIT;
}

/* ---- Foreign classes ----
 *
 * What a program calls on other nodes, this node need not have. Such a class stands for the pair of names, for the
 * counters and for mesh_waiting, until both are here; then a class of the ordinary kind takes its place. */

static bool may_be_name(const char *name)
{
    size_t len = strnlen(name, MESH_NAME_SIZE);
    return len > 0 && len < MESH_NAME_SIZE;
}

/* runtime->lock held. Names alone, for a class that lacks the thing. */
static const struct module *name_module(struct runtime *rt, const char *name)
{
    struct module *m = must_calloc(1, sizeof *m);
    m->ops.name = must_copy(name, strlen(name));
    m->next = rt->foreign_modules;
    rt->foreign_modules = m;
    return m;
}

static struct capability *name_capability(struct runtime *rt, const char *name)
{
    struct capability *c = must_calloc(1, sizeof *c);
    c->name = must_copy(name, strlen(name));
    c->next = rt->foreign_capabilities;
    rt->foreign_capabilities = c;
    return c;
}

static struct class *make_foreign(struct runtime *rt, uint64_t hash, const char *module, const char *capability,
                                  uint32_t known)
{
    const struct module *m = runtime_module(rt, module);
    struct capability *cap = runtime_capability(rt, capability);
    pthread_mutex_lock(&rt->lock);
    struct class *c = find(rt->foreign, hash, module, capability);
    if (c == NULL && atomic_load_explicit(&rt->class_count, memory_order_relaxed) < CLASSES_MAX) {
        if (m == NULL)
            m = name_module(rt, module);
        if (cap == NULL)
            cap = name_capability(rt, capability);
        c = add(rt, rt->foreign, hash, m, cap);
    }
    if (c != NULL)
        atomic_store_explicit(&c->known, known, memory_order_relaxed);
    pthread_mutex_unlock(&rt->lock);
    return c;
}

/* A foreign class stands for its names until something has come that may take its place. */
static bool is_current(struct runtime *rt, const struct class *class)
{
    return !class->foreign || atomic_load_explicit(&class->known, memory_order_relaxed) ==
                                  atomic_load_explicit(&rt->known, memory_order_acquire);
}

static int find_or_make(struct runtime *rt, uint64_t hash, const char *module, const char *capability,
                        struct class **class)
{
    uint32_t known = atomic_load_explicit(&rt->known, memory_order_acquire);
    struct class *c = find(rt->foreign, hash, module, capability);
    if (c != NULL && is_current(rt, c)) {
        *class = c;
        return MESH_OK;
    }
    int rc = make(rt, hash, module, capability, class);
    bool lacks = rc == MESH_ENOMODULE || rc == MESH_ENOCAPABILITY;
    if (!lacks || rt->elsewhere.take == NULL || !may_be_name(module) || !may_be_name(capability))
        return rc;
    *class = make_foreign(rt, hash, module, capability, known);
    return *class != NULL ? MESH_OK : MESH_ELIMIT;
}

int runtime_class_here(struct runtime *rt, const char *module, const char *capability, struct class **class)
{
    uint64_t hash = hash_names(rt, module, capability);
    *class = find(rt->buckets, hash, module, capability);
    return *class != NULL ? MESH_OK : make(rt, hash, module, capability, class);
}

int runtime_class(struct runtime *rt, struct worker *w, const char *module, const char *capability,
                  struct class **class)
{
    struct class_cache_entry *cached = NULL;
    if (w != NULL) {
        uintptr_t address = (uintptr_t)module ^ (uintptr_t)capability * 31;
        cached = &w->classes[(address ^ address >> 6) % CLASS_CACHE];
        if (cached->module == module && cached->capability == capability &&
            is_class(cached->class, module, capability) && is_current(rt, cached->class)) {
            *class = cached->class;
            return MESH_OK;
        }
    }
    uint64_t hash = hash_names(rt, module, capability);
    *class = find(rt->buckets, hash, module, capability);
    if (*class == NULL) {
        int rc = find_or_make(rt, hash, module, capability, class);
        if (rc != MESH_OK)
            return rc;
    }
    if (cached != NULL)
        *cached = (struct class_cache_entry){module, capability, *class};
    return MESH_OK;
}

static void free_modules(struct module *m)
{
    while (m != NULL) {
        struct module *next = m->next;
        free((char *)m->ops.name);
        free(m);
        m = next;
    }
}

static void free_capabilities(struct runtime *rt, struct capability *c)
{
    while (c != NULL) {
        struct capability *next = c->next;
        for (uint32_t i = 0; i < c->shards; i++)
            slab_array_put(&rt->arrays, c->rows[i].actors, c->rows[i].capacity * sizeof *c->rows[i].actors);
        free(c->rows);
        free(c->name);
        free(c);
        c = next;
    }
}

void classes_fini(struct runtime *rt)
{
    for (uint32_t i = 0; i < atomic_load_explicit(&rt->class_count, memory_order_relaxed); i++)
        free(rt->class_by_index[i]);
    free_modules(rt->modules);
    free_modules(rt->foreign_modules);
    free_capabilities(rt, rt->capabilities);
    free_capabilities(rt, rt->foreign_capabilities);
}
