/* Control messages: those of a BEAM both ways, every operation in every shape, and what is none. */
#include "dist/control.h"

#include "dist/flags.h"
#include "dist/frame.h"
#include "unit/dist/recorded.h"

#define PEER "va@127.0.0.1"
#define SELF "n@127.0.0.1"

/* ---- recorded ---------------------------------------------------------------------------------------------------- */

/* Calls fn with the body of each recorded message and the node that sent it. */
static void each_body(void (*fn)(mesh_bytes body, mesh_bytes sender, void *context), void *context)
{
    struct recording all = recorded_all();
    struct frame_reader reader;
    struct frame f;
    enum refusal why;
    frame_reader_init(&reader, NULL);
    for (size_t i = 0; i < all.count; i++) {
        const struct recorded *e = &all.list[i];
        bool theirs = strcmp(e->who, "<") == 0;
        mesh_bytes in = mesh_buf_bytes(&e->bytes);
        if ((theirs || strcmp(e->who, ">") == 0) && frame_read(&reader, &in, &f, &why) == FRAME_MESSAGE)
            fn(f.body, mesh_str(theirs ? PEER : SELF), context);
    }
    frame_reader_fini(&reader);
    recorded_free(&all);
}

struct seen {
    unsigned kinds[CONTROL_SPAWN_REPLY + 1];
    mesh_buf out;
};

static bool kind_is_sent(enum control_kind kind)
{
    return kind != CONTROL_GROUP_LEADER && kind != CONTROL_UNLINK_OLD;
}

static void read_and_write(mesh_bytes body, mesh_bytes sender, void *context)
{
    struct seen *seen = context;
    struct control c;
    mesh_bytes message;
    enum refusal why = control_read(body, sender, NULL, &c);
    if (why)
        fail_msg("refused: %s", refusal_text(why));
    seen->kinds[c.kind]++;
    mesh_buf_clear(&seen->out);
    if (!kind_is_sent(c.kind)) {
        assert_int_equal(control_put(&seen->out, &c, DIST_OFFERED, &message), MESH_EINVAL);
        return;
    }
    assert_int_equal(control_put(&seen->out, &c, DIST_OFFERED, &message), MESH_OK);
    assert_int_equal(seen->out.len + message.len, body.len);
    assert_memory_equal(seen->out.data, body.data, seen->out.len);
    if (message.len)
        assert_memory_equal(message.data, (const uint8_t *)body.data + seen->out.len, message.len);
}

static void what_a_beam_says_is_read_and_written_bit_by_bit(void **state)
{
    (void)state;
    static struct seen seen;
    mesh_buf_init(&seen.out);
    each_body(read_and_write, &seen);
    for (unsigned kind = 0; kind <= CONTROL_SPAWN_REPLY; kind++)
        if (seen.kinds[kind] == 0 && kind != CONTROL_UNLINK_OLD)
            fail_msg("kind %u has not been recorded", kind);
    mesh_buf_fini(&seen.out);
}

static void cut_and_change(mesh_bytes body, mesh_bytes sender, void *context)
{
    unsigned *refused = context;
    size_t tried = body.len < 400 ? body.len : 60;
    struct control c;
    for (size_t len = 0; len < tried; len++) {
        uint8_t *cut = exact_copy(body.data, len);
        assert_int_not_equal(control_read((mesh_bytes){cut, len}, sender, NULL, &c), REFUSAL_NONE);
        free(cut);
    }
    uint8_t *changed = exact_copy(body.data, body.len);
    for (size_t i = 0; i < tried; i++) {
        uint8_t before = changed[i];
        for (unsigned value = 0; value < 256; value += body.len < 400 ? 1 : 37) {
            changed[i] = (uint8_t)value;
            *refused += control_read((mesh_bytes){changed, body.len}, sender, NULL, &c) != REFUSAL_NONE;
        }
        changed[i] = before;
    }
    free(changed);
}

static void any_change_is_refused_or_harmless(void **state)
{
    (void)state;
    unsigned refused = 0;
    each_body(cut_and_change, &refused);
    assert_true(refused > 100000);
}

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

/* Appends what each letter stands for:
 *   P a pid of the peer   p a pid of ours   a an atom   e the atom without a name   r a reference   0 7 integers
 *   b a big integer   t a tuple   l a list   m {m, f, 2}   M {m, f, 256}   N {m, f}   x a byte that is no term */
static void put_letters(mesh_buf *b, const char *letters)
{
    const mesh_pid peer = {5, 9, PEER}, self = {6, 8, SELF};
    const mesh_ref ref = {9, 3, {1, 2, 3}, PEER};
    int error = MESH_OK;
    for (; *letters && !error; letters++)
        switch (*letters) {
        case 'P':
            error = mesh_put_pid(b, &peer);
            break;
        case 'p':
            error = mesh_put_pid(b, &self);
            break;
        case 'r':
            error = mesh_put_ref(b, &ref);
            break;
        case 'a':
        case 'e':
            error = mesh_put_atom(b, mesh_str(*letters == 'a' ? "name" : ""));
            break;
        case '0':
        case '7':
            error = mesh_put_int(b, *letters - '0');
            break;
        case 'b':
            error = mesh_put_bigint(b, false, mesh_str("\1\2\3\4\5\6\7\10\11"));
            break;
        case 't':
            error = mesh_put_tuple(b, 2) || mesh_put_atom(b, mesh_str("reason")) || mesh_put_int(b, 1);
            break;
        case 'l':
            error = mesh_put_list(b, 1) || mesh_put_atom(b, mesh_str("monitor")) || mesh_put_empty(b);
            break;
        case 'm':
        case 'M':
        case 'N':
            error = mesh_put_tuple(b, *letters == 'N' ? 2 : 3) || mesh_put_atom(b, mesh_str("m")) ||
                    mesh_put_atom(b, mesh_str("f")) || (*letters != 'N' && mesh_put_int(b, *letters == 'm' ? 2 : 256));
            break;
        default:
            error = mesh_buf_append(b, "\1", 1);
        }
    assert_int_equal(error, MESH_OK);
}

/* A body: the operation, the letters of its elements, and behind | those of the message. */
static void make(mesh_buf *b, uint32_t op, const char *letters)
{
    char elements[16] = "";
    const char *bar = strchr(letters, '|');
    size_t n = bar ? (size_t)(bar - letters) : strlen(letters);
    assert_true(n < sizeof elements);
    snprintf(elements, sizeof elements, "%.*s", (int)n, letters);
    mesh_buf_clear(b);
    assert_int_equal(mesh_put_tuple(b, (uint32_t)n + 1), MESH_OK);
    assert_int_equal(mesh_put_uint(b, op), MESH_OK);
    put_letters(b, elements);
    if (bar)
        put_letters(b, bar + 1);
}

static enum refusal judge(uint32_t op, const char *letters, struct control *c)
{
    mesh_buf b;
    mesh_buf_init(&b);
    make(&b, op, letters);
    uint8_t *copy = exact_copy(b.data, b.len);
    enum refusal why = control_read((mesh_bytes){copy, b.len}, mesh_str(PEER), NULL, c);
    mesh_buf_fini(&b);
    free(copy);
    return why;
}

static const struct good {
    uint32_t op;
    const char *letters;
    enum control_kind kind;
} good[] = {
    {1, "Pp", CONTROL_LINK},           {2, "ep|t", CONTROL_SEND},
    {2, "rp|t", CONTROL_SEND}, /* whatever the old cookie is */
    {3, "Ppt", CONTROL_EXIT},          {4, "Pp", CONTROL_UNLINK_OLD},
    {6, "Pea|t", CONTROL_SEND_NAME},   {7, "Pp", CONTROL_GROUP_LEADER},
    {8, "Ppt", CONTROL_EXIT2},         {12, "ept|t", CONTROL_SEND},
    {13, "Pp7t", CONTROL_EXIT},        {16, "Peat|t", CONTROL_SEND_NAME},
    {18, "Pp7t", CONTROL_EXIT2},       {19, "Ppr", CONTROL_MONITOR},
    {19, "Par", CONTROL_MONITOR},      {20, "Ppr", CONTROL_DEMONITOR},
    {20, "Par", CONTROL_DEMONITOR},    {21, "Pprt", CONTROL_DOWN},
    {21, "aprt", CONTROL_DOWN},        {22, "Pp|t", CONTROL_SEND},
    {22, "pp|t", CONTROL_SEND}, /* a sender is only told */
    {23, "Pp7|t", CONTROL_SEND},       {24, "Pp|t", CONTROL_EXIT},
    {25, "Pp7|t", CONTROL_EXIT},       {26, "Pp|t", CONTROL_EXIT2},
    {27, "Pp7|t", CONTROL_EXIT2},      {28, "Ppr|t", CONTROL_DOWN},
    {28, "apr|t", CONTROL_DOWN},       {29, "rPPml|l", CONTROL_SPAWN},
    {29, "rPPm7|t", CONTROL_SPAWN}, /* bad options are the spawner's concern */
    {30, "rPPml7|l", CONTROL_SPAWN},   {31, "rp0P", CONTROL_SPAWN_REPLY},
    {31, "rp0a", CONTROL_SPAWN_REPLY}, {32, "rp0P7", CONTROL_SPAWN_REPLY},
    {33, "Pr|t", CONTROL_SEND_ALIAS},  {34, "Pr7|t", CONTROL_SEND_ALIAS},
    {35, "7Pp", CONTROL_UNLINK},       {36, "7Pp", CONTROL_UNLINK_ACK},
};

static void every_operation_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct control c;
        enum refusal why = judge(good[i].op, good[i].letters, &c);
        if (why || c.kind != good[i].kind)
            fail_msg("%u %s: %s, kind %d", good[i].op, good[i].letters, refusal_text(why), (int)c.kind);
    }
}

/* One element less, one more, and each in turn of another type. */
static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct control c;
        char letters[32];
        const char *bar = strchr(good[i].letters, '|');
        const char *message = bar ? bar : "";
        size_t n = bar ? (size_t)(bar - good[i].letters) : strlen(good[i].letters);
        snprintf(letters, sizeof letters, "%.*s7%s", (int)n, good[i].letters, message);
        assert_int_equal(judge(good[i].op, letters, &c), REFUSAL_SHAPE);
        snprintf(letters, sizeof letters, "%.*s%s", (int)n - 1, good[i].letters, message);
        assert_int_equal(judge(good[i].op, letters, &c), REFUSAL_SHAPE);
        for (size_t k = 0; k < n; k++) {
            snprintf(letters, sizeof letters, "%s", good[i].letters);
            if (strchr("PprmN", letters[k]) == NULL || (good[i].op == 2 && k == 0))
                continue;
            letters[k] = 'l';
            assert_int_equal(judge(good[i].op, letters, &c), REFUSAL_SHAPE);
            letters[k] = 'b';
            assert_int_equal(judge(good[i].op, letters, &c), REFUSAL_SHAPE);
        }
        snprintf(letters, sizeof letters, "%.*s%s", (int)n, good[i].letters, bar ? "" : "|t");
        assert_int_equal(judge(good[i].op, letters, &c), bar ? REFUSAL_NO_MESSAGE : REFUSAL_EXTRA_MESSAGE);
        snprintf(letters, sizeof letters, "%.*s|tt", (int)n, good[i].letters);
        assert_int_equal(judge(good[i].op, letters, &c), bar ? REFUSAL_TERM : REFUSAL_EXTRA_MESSAGE);
        snprintf(letters, sizeof letters, "%.*s|x", (int)n, good[i].letters);
        assert_int_equal(judge(good[i].op, letters, &c), bar ? REFUSAL_TERM : REFUSAL_EXTRA_MESSAGE);
    }
}

static void wrong_values_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t op;
        const char *letters;
        enum refusal why;
    } bad[] = {
        {1, "pp", REFUSAL_FOREIGN},
        {4, "pp", REFUSAL_FOREIGN},
        {19, "ppr", REFUSAL_FOREIGN},
        {20, "par", REFUSAL_FOREIGN},
        {35, "7pp", REFUSAL_FOREIGN},
        {36, "7pp", REFUSAL_FOREIGN},
        {29, "rpPml|l", REFUSAL_FOREIGN},
        {2, "ea|t", REFUSAL_SHAPE},
        {2, "er|t", REFUSAL_SHAPE},
        {6, "Pep|t", REFUSAL_SHAPE},
        {33, "Pp|t", REFUSAL_SHAPE},
        {35, "0Pp", REFUSAL_SHAPE},
        {35, "bPp", REFUSAL_SHAPE},
        {29, "rPPMl|l", REFUSAL_SHAPE},
        {29, "rPPNl|l", REFUSAL_SHAPE},
        {29, "rPaml|l", REFUSAL_SHAPE},
        {31, "rpaP", REFUSAL_SHAPE},
        {31, "rp0t", REFUSAL_SHAPE},
        {1, "Px", REFUSAL_TERM},
        {0, "Pp", REFUSAL_OPERATION},
        {5, "Pp", REFUSAL_OPERATION},
        {9, "Pp", REFUSAL_OPERATION},
        {17, "Pp", REFUSAL_OPERATION},
        {38, "Pp", REFUSAL_OPERATION},
        {4000000000u, "P", REFUSAL_OPERATION},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct control c;
        enum refusal why = judge(bad[i].op, bad[i].letters, &c);
        if (why != bad[i].why)
            fail_msg("%u %s: %s", bad[i].op, bad[i].letters, refusal_text(why));
    }
    static const uint8_t not_tuples[][8] = {{97, 1}, {106}, {104, 0}, {104, 1, 106}, {104, 1, 98, 255, 255, 255, 255}};
    static const size_t lens[] = {2, 1, 2, 3, 7};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct control c;
        assert_int_not_equal(control_read((mesh_bytes){not_tuples[i], lens[i]}, mesh_str(PEER), NULL, &c),
                             REFUSAL_NONE);
    }
}

static void the_newest_send_says_what_it_is(void **state)
{
    (void)state;
    static const struct {
        int flags;
        const char *letters;
        bool fits;
        enum control_kind kind;
    } cases[] = {
        {0, "Pp", true, CONTROL_SEND},       {1, "Pp", true, CONTROL_SEND},        {2, "Pp7", true, CONTROL_SEND},
        {4, "Pr", true, CONTROL_SEND_ALIAS}, {7, "Pr7", true, CONTROL_SEND_ALIAS}, {8, "Pa", true, CONTROL_SEND_NAME},
        {16, "Pp", true, CONTROL_EXIT2},     {24, "Pa", true, CONTROL_EXIT2},      {17, "Pp", true, CONTROL_EXIT2},
        {2, "Pp", false, CONTROL_SEND},      {0, "Pp7", false, CONTROL_SEND},      {4, "Pp", false, CONTROL_SEND},
        {8, "Pp", false, CONTROL_SEND},      {12, "Pr", false, CONTROL_SEND},      {32, "Pp", false, CONTROL_SEND},
        {0, "P", false, CONTROL_SEND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct control c;
        mesh_buf b;
        mesh_buf_init(&b);
        assert_int_equal(mesh_put_tuple(&b, (uint32_t)strlen(cases[i].letters) + 2), MESH_OK);
        assert_int_equal(mesh_put_int(&b, 37), MESH_OK);
        assert_int_equal(mesh_put_int(&b, cases[i].flags), MESH_OK);
        put_letters(&b, cases[i].letters);
        put_letters(&b, "t");
        enum refusal why = control_read(mesh_buf_bytes(&b), mesh_str(PEER), NULL, &c);
        assert_int_equal(why, cases[i].fits ? REFUSAL_NONE : REFUSAL_SHAPE);
        if (cases[i].fits) {
            assert_int_equal(c.kind, cases[i].kind);
            assert_int_equal(c.priority, cases[i].flags & 1);
            assert_int_equal(mesh_match(c.message, "{:reason, 1}"), MESH_OK);
        }
        mesh_buf_fini(&b);
    }
}

static void terms_are_bounded(void **state)
{
    (void)state;
    const mesh_limits limits = {.bytes = 200, .depth = 3, .elements = 20};
    struct control c;
    mesh_buf b;
    mesh_buf_init(&b);
    make(&b, 22, "Pp|t");
    assert_int_equal(control_read(mesh_buf_bytes(&b), mesh_str(PEER), &limits, &c), REFUSAL_NONE);
    make(&b, 22, "Pp|");
    for (int i = 0; i < 4; i++)
        assert_int_equal(mesh_put_tuple(&b, 1), MESH_OK);
    assert_int_equal(mesh_put_int(&b, 1), MESH_OK);
    assert_int_equal(control_read(mesh_buf_bytes(&b), mesh_str(PEER), NULL, &c), REFUSAL_NONE);
    assert_int_equal(control_read(mesh_buf_bytes(&b), mesh_str(PEER), &limits, &c), REFUSAL_TERM);
    mesh_buf_fini(&b);
}

/* Without SEND_SENDER and EXIT_PAYLOAD the older operations, which read as the same. */
static void older_peers_get_older_forms(void **state)
{
    (void)state;
    static const struct {
        uint32_t op;
        const char *letters, *older;
        uint32_t older_op;
    } forms[] = {
        {22, "Pp|t", "ep|t", 2},
        {24, "Pp|t", "Ppt", 3},
        {26, "Pp|t", "Ppt", 8},
        {28, "apr|t", "aprt", 21},
    };
    const uint64_t flags = DIST_OFFERED & ~(DIST_SEND_SENDER | DIST_EXIT_PAYLOAD);
    mesh_buf in, older, out;
    mesh_buf_init(&in);
    mesh_buf_init(&older);
    mesh_buf_init(&out);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct control c;
        mesh_bytes message;
        make(&in, forms[i].op, forms[i].letters);
        make(&older, forms[i].older_op, forms[i].older);
        assert_int_equal(control_read(mesh_buf_bytes(&in), mesh_str(PEER), NULL, &c), REFUSAL_NONE);
        mesh_buf_clear(&out);
        assert_int_equal(control_put(&out, &c, flags, &message), MESH_OK);
        assert_int_equal(mesh_buf_append(&out, message.data, message.len), MESH_OK);
        assert_int_equal(out.len, older.len);
        assert_memory_equal(out.data, older.data, older.len);
        assert_int_equal(control_read(mesh_buf_bytes(&out), mesh_str(PEER), NULL, &c), REFUSAL_NONE);
        assert_int_equal(mesh_match(c.message, "{:reason, 1}"), MESH_OK);
    }
    mesh_buf_fini(&in);
    mesh_buf_fini(&older);
    mesh_buf_fini(&out);
}

static void what_cannot_be_sent_leaves_nothing(void **state)
{
    (void)state;
    mesh_buf out;
    mesh_bytes message;
    mesh_buf_init(&out);
    assert_int_equal(mesh_put_int(&out, 1), MESH_OK);
    for (int kind = 0; kind <= CONTROL_SPAWN_REPLY; kind++) {
        const struct control empty = {.kind = (enum control_kind)kind};
        assert_int_equal(control_put(&out, &empty, DIST_OFFERED, &message), MESH_EINVAL);
        assert_int_equal(control_put(&out, &empty, 0, &message), MESH_EINVAL);
        assert_int_equal(out.len, 2);
    }
    mesh_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_beam_says_is_read_and_written_bit_by_bit),
        cmocka_unit_test(any_change_is_refused_or_harmless),
        cmocka_unit_test(every_operation_is_read),
        cmocka_unit_test(wrong_shapes_are_refused),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(the_newest_send_says_what_it_is),
        cmocka_unit_test(terms_are_bounded),
        cmocka_unit_test(older_peers_get_older_forms),
        cmocka_unit_test(what_cannot_be_sent_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
