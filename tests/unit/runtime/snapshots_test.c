/* The store in the node's memory: keys, epochs, growth, threads. */
#include "runtime/snapshots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/node.h>

#include "unit/check.h"

static struct snapshots store;

static int set_up(void **state)
{
    (void)state;
    const unsigned char key[SIPHASH_KEY_BYTES] = {4, 5, 6};
    snapshots_init(&store, siphash_key(key));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    snapshots_fini(&store);
    return 0;
}

static mesh_store_key key_of(const char *capability, const char *module, const char *id)
{
    return (mesh_store_key){.capability = capability, .module = module, .id = mesh_str(id)};
}

/* The snapshot of a number. */
static int save(const mesh_store_key *key, uint64_t epoch, int n)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    assert_int_equal(mesh_build(&buf, "~i", n), MESH_OK);
    int rc = snapshots_save(&store, key, epoch, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    return rc;
}

/* The number that is kept, or -1: nothing is. */
static int load(const mesh_store_key *key)
{
    mesh_buf buf;
    int n = -1;
    mesh_buf_init(&buf);
    int rc = snapshots_load(&store, key, &buf);
    if (rc == MESH_OK)
        assert_int_equal(mesh_match(mesh_buf_term(&buf), "~i", &n), MESH_OK);
    else
        assert_int_equal(rc, MESH_ENOPROCESS);
    mesh_buf_fini(&buf);
    return n;
}

static void an_empty_store_has_nothing(void **state)
{
    (void)state;
    mesh_store_key key = key_of("c", "m", "x");
    assert_true(snapshots_empty(&store));
    assert_int_equal(load(&key), -1);
    snapshots_restored(&store, &key); /* does nothing */
    assert_true(snapshots_empty(&store));
}

static void a_snapshot_is_kept_until_it_was_restored(void **state)
{
    (void)state;
    mesh_store_key key = key_of("c", "m", "x");
    assert_int_equal(save(&key, 1, 7), MESH_OK);
    assert_false(snapshots_empty(&store));
    assert_int_equal(load(&key), 7);
    assert_int_equal(load(&key), 7); /* a start that failed leaves it */
    snapshots_restored(&store, &key);
    assert_int_equal(load(&key), -1);
    assert_true(snapshots_empty(&store));
}

static void a_newer_epoch_wins(void **state)
{
    (void)state;
    mesh_store_key key = key_of("c", "m", "x");
    assert_int_equal(save(&key, 5, 50), MESH_OK);
    assert_int_equal(save(&key, 4, 40), MESH_EMOVED);
    assert_int_equal(load(&key), 50);
    assert_int_equal(save(&key, 5, 51), MESH_OK); /* a later one of the same hold */
    assert_int_equal(load(&key), 51);
    assert_int_equal(save(&key, UINT64_MAX, 60), MESH_OK);
    assert_int_equal(load(&key), 60);
    assert_int_equal(atomic_load(&store.count), 1);
    snapshots_restored(&store, &key);
    assert_int_equal(save(&key, 1, 10), MESH_OK); /* nothing is remembered of what was restored */
}

static void capability_module_and_id_are_the_key(void **state)
{
    (void)state;
    const mesh_store_key keys[] = {key_of("a", "bc", "x"), key_of("ab", "c", "x"),  key_of("a", "b", "cx"),
                                   key_of("a", "bc", "y"), key_of("a", "bc", "xx"), key_of("a", "bc", "X")};
    enum { KEYS = sizeof keys / sizeof *keys };
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(save(&keys[i], 1, i), MESH_OK);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(load(&keys[i]), i);
    snapshots_restored(&store, &keys[2]);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(load(&keys[i]), i == 2 ? -1 : i);
}

/* Ids are bytes: NUL is one of them, also at the end. */
static void ids_are_any_bytes(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++)
        for (size_t len = 1; len <= 2; len++) {
            const uint8_t id[2] = {(uint8_t)byte, 0};
            mesh_store_key key = {.capability = "c", .module = "m", .id = {id, len}};
            assert_int_equal(load(&key), -1);
            assert_int_equal(save(&key, 1, 2 * byte + (int)len), MESH_OK);
            assert_int_equal(load(&key), 2 * byte + (int)len);
        }
    assert_int_equal(atomic_load(&store.count), 512);
}

static void the_longest_names_fit(void **state)
{
    (void)state;
    static char name[MESH_NAME_SIZE], id[MESH_ID_MAX];
    memset(name, 'n', sizeof name - 1);
    memset(id, 'i', sizeof id);
    mesh_store_key key = {.capability = name, .module = name, .id = {id, sizeof id}};
    assert_int_equal(save(&key, 1, 1), MESH_OK);
    id[MESH_ID_MAX - 1] = 'j';
    assert_int_equal(load(&key), -1);
    assert_int_equal(save(&key, 1, 2), MESH_OK);
    assert_int_equal(load(&key), 2);
    id[MESH_ID_MAX - 1] = 'i';
    assert_int_equal(load(&key), 1);
}

/* What the buffer held before is not part of the snapshot, and large ones come back whole. */
static void a_load_replaces_what_the_buffer_held(void **state)
{
    (void)state;
    static uint8_t bytes[100000];
    mesh_store_key key = key_of("c", "m", "x"), none = key_of("c", "m", "y");
    mesh_buf term, out;
    mesh_buf_init(&term);
    mesh_buf_init(&out);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    mesh_bytes binary = {bytes, sizeof bytes};
    assert_int_equal(mesh_build(&term, "~b", binary), MESH_OK);
    assert_int_equal(snapshots_save(&store, &key, 1, mesh_buf_term(&term)), MESH_OK);
    assert_int_equal(mesh_build(&out, ":before"), MESH_OK);
    assert_int_equal(snapshots_load(&store, &none, &out), MESH_ENOPROCESS);
    assert_int_equal(mesh_match(mesh_buf_term(&out), ":before"), MESH_OK);
    assert_int_equal(snapshots_load(&store, &key, &out), MESH_OK);
    assert_int_equal(out.len, term.len);
    assert_memory_equal(out.data, term.data, term.len);
    mesh_buf_fini(&term);
    mesh_buf_fini(&out);
}

static void it_grows(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    char id[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        mesh_store_key key = key_of("c", "m", id);
        assert_int_equal(save(&key, 1, i), MESH_OK);
    }
    assert_int_equal(atomic_load(&store.count), MANY);
    assert_true(store.bucket_count >= MANY / 2);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        mesh_store_key key = key_of("c", "m", id);
        assert_int_equal(load(&key), i);
        if (i % 3 != 0)
            snapshots_restored(&store, &key);
    }
    assert_int_equal(atomic_load(&store.count), (MANY + 2) / 3);
}

static void *come_and_go(void *arg)
{
    char id[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "%s %d", (const char *)arg, i);
        mesh_store_key own = key_of("c", "m", id), shared = key_of("c", "m", "shared");
        save(&own, 1, i);
        save(&shared, (uint64_t)i, i);
        load(&own);
        load(&shared);
        snapshots_restored(&store, &own);
    }
    return NULL;
}

static void any_thread_may_save_and_load(void **state)
{
    (void)state;
    static char names[3][2] = {"a", "b", "c"};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, names[i]), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mesh_store_key shared = key_of("c", "m", "shared");
    assert_int_equal(load(&shared), 999); /* the highest epoch, whoever saved it */
    assert_int_equal(atomic_load(&store.count), 1);
}

/* ---- Shards ---- */

static void a_snapshot_can_be_taken_out(void **state)
{
    (void)state;
    mesh_store_key key = key_of("c", "m", "x"), other = key_of("c", "m", "y");
    mesh_buf buf;
    uint64_t epoch = 0;
    int n = 0;
    mesh_buf_init(&buf);
    assert_false(snapshots_take(&store, &key, &epoch, &buf));
    assert_int_equal(save(&key, 7, 1), MESH_OK);
    assert_false(snapshots_take(&store, &other, &epoch, &buf));
    assert_true(snapshots_take(&store, &key, &epoch, &buf));
    assert_int_equal(epoch, 7);
    assert_int_equal(mesh_match(mesh_buf_term(&buf), "~i", &n), MESH_OK);
    assert_int_equal(n, 1);
    assert_true(snapshots_empty(&store));
    mesh_buf_fini(&buf);
}

struct shown {
    uint32_t shard, shards;
    int count, sum;
    bool take;
};

static bool show(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot)
{
    struct shown *s = context;
    int n = 0;
    assert_string_equal(key->capability, "c");
    assert_string_equal(key->module, "m");
    assert_int_equal(mesh_phash2(key->id, s->shards), s->shard);
    assert_int_equal(epoch, 3);
    assert_int_equal(mesh_match(snapshot, "~i", &n), MESH_OK);
    s->count++;
    s->sum += n;
    return s->take;
}

/* Whatever the number of shards: each snapshot is in one of them. */
static void those_of_a_shard_are_found(void **state)
{
    (void)state;
    static const uint32_t shards[] = {1, 7, 64, 4096, 10000, 16384, 65536};
    enum { IDS = 500 };
    char id[16];
    for (int i = 0; i < IDS; i++) {
        snprintf(id, sizeof id, "id%d", i);
        mesh_store_key key = key_of("c", "m", id), other = key_of("other", "m", id);
        assert_int_equal(save(&key, 3, i), MESH_OK);
        assert_int_equal(save(&other, 3, i), MESH_OK);
    }
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) {
        struct shown s = {.shards = shards[i]};
        for (s.shard = 0; s.shard < s.shards; s.shard++)
            snapshots_take_shard(&store, "c", s.shard, s.shards, show, &s);
        assert_int_equal(s.count, IDS);
        assert_int_equal(s.sum, IDS * (IDS - 1) / 2);
    }
    struct shown s = {.shards = 4096, .take = true};
    for (s.shard = 0; s.shard < s.shards; s.shard++)
        snapshots_take_shard(&store, "c", s.shard, s.shards, show, &s);
    assert_int_equal(s.count, IDS);
    assert_int_equal(atomic_load(&store.count), IDS); /* those of the other capability */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_store_has_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_snapshot_is_kept_until_it_was_restored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_newer_epoch_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(capability_module_and_id_are_the_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_are_any_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_longest_names_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_load_replaces_what_the_buffer_held, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_grows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_thread_may_save_and_load, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_snapshot_can_be_taken_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_of_a_shard_are_found, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
