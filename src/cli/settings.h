/* Every setting of a node as the `mesh` program runs it: one list gives the flags of the command line, the keys of the
 * configuration file, their forms, their defaults and their help.
 *
 * A value comes from the command line, else from the file, else it is the default. Each remembers where it is from, so
 * that it can be shown, and blamed. A setting is given once in each place; a list from the command line replaces that
 * of the file. Some settings exclude each other (name and sname): given on the command line, one replaces both of the
 * file.
 *
 * Pure: no file, no clock, nothing of the system. One thread. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/error.h>
#include <mesh/placement.h>

enum setting {
    SETTING_NAME,
    SETTING_SNAME,
    SETTING_COOKIE,
    SETTING_COOKIE_FILE,
    SETTING_MODULES,
    SETTING_CAPABILITIES,
    SETTING_CONNECT,
    SETTING_WAIT_FOR,
    SETTING_LISTEN,
    SETTING_PORT,
    SETTING_EPMD_PORT,
    SETTING_NO_EPMD,
    SETTING_NET_TICKTIME,
    SETTING_MAJORITY_OF,
    SETTING_MAX_MESSAGE,
    SETTING_GOSSIP,
    SETTING_GOSSIP_PORT,
    SETTING_GOSSIP_IF_ADDR,
    SETTING_GOSSIP_MULTICAST_IF,
    SETTING_GOSSIP_MULTICAST_ADDR,
    SETTING_GOSSIP_MULTICAST_TTL,
    SETTING_GOSSIP_BROADCAST_ONLY,
    SETTING_GOSSIP_SECRET,
    SETTING_EPMD,
    SETTING_EPMD_HOSTS,
    SETTING_EPMD_TIMEOUT,
    SETTING_LOCAL_EPMD,
    SETTING_LOCAL_EPMD_TIMEOUT,
    SETTING_ERLANG_HOSTS,
    SETTING_ERLANG_HOSTS_FILE,
    SETTING_ERLANG_HOSTS_TIMEOUT,
    SETTING_LOG_LEVEL,
    SETTING_WORKERS,
    SETTING_STACK_BYTES,
    SETTING_MAX_SUSPENDED,
    SETTING_MAX_MAILBOX,
    SETTING_MAX_PROCESSES,
    SETTING_MAX_SHARD,
    SETTING_MAX_THREADS,
    SETTING_IDLE_TIMEOUT_MS,
    SETTING_DRAIN_MS,
    SETTING_SPIN_US,
    SETTING_STUCK_MS,
    SETTING_CRASH_REPORTS,
    SETTING_COUNT,
};

enum setting_kind {
    KIND_TEXT,
    KIND_NUMBER,
    KIND_SWITCH, /* true or false; as a flag it needs no value. One that is a section of the file (gossip) is true when
                    something in it is given and itself is not */
    KIND_WORD,   /* one of a few */
    KIND_LIST,   /* of texts, no two equal */
    KIND_CAPABILITIES,
};

/* What a text must look like, beside being 1 to SETTING_TEXT_MAX_BYTES of UTF-8 without control characters. */
enum setting_form {
    FORM_ANY,
    FORM_HALF, /* a node's name, with or without its host */
    FORM_FULL, /* a node's full name */
    FORM_IPV4,
    FORM_COOKIE, /* printable ASCII, at most 255 characters */
};

#define SETTING_TEXT_MAX_BYTES 4096u
#define SETTING_LIST_MAX 1024u

/* One row of the list. */
struct setting_row {
    const char *section; /* of the file; NULL at its top */
    const char *key;     /* of the file, in its section */
    const char *flag;    /* of the command line, without its dashes */
    enum setting_kind kind;
    enum setting_form form;
    uint64_t min, max;        /* of a number */
    uint64_t otherwise;       /* the number, switch (0, 1) or word when nothing is given; 0: the library's default */
    const char *otherwise_is; /* ... in words, where the number does not say it */
    const char *const *words; /* of KIND_WORD, ending in NULL; number is the place in it, from 1 */
    const char *value;        /* what stands for the value in the help: "NAME"; NULL: a switch */
    const char *help;
    unsigned group; /* settings of one group other than 0 exclude each other */
    bool secret;    /* never shown */
};

extern const struct setting_row setting_rows[SETTING_COUNT];

enum setting_origin { FROM_DEFAULT, FROM_FILE, FROM_FLAG };

struct setting_value {
    enum setting_origin origin;
    unsigned line; /* of the file, from 1; 0 when it is from elsewhere */
    uint64_t number;
    char *text;
    char **list;
    size_t count; /* of list */
};

struct capability_setting {
    char *name;
    mesh_strategy strategy;
    uint32_t shards;
    uint32_t weight;
};

struct settings {
    struct setting_value values[SETTING_COUNT];
    struct capability_setting *capabilities;
    size_t capability_count;
};

/* Nothing given yet. settings_fini frees what it holds. */
void settings_init(struct settings *s);
void settings_fini(struct settings *s);

/* The setting of a flag, or of a key of the file (section NULL: at its top); SETTING_COUNT when there is none. */
enum setting setting_by_flag(const char *flag);
enum setting setting_by_key(const char *section, const char *key);

/* Says that a setting is given here, before its value or the items of its list. False, with the reason "given twice" or
 * the like, when it was given in this place before, or another of its group was. */
bool settings_begin(struct settings *s, enum setting which, enum setting_origin origin, unsigned line,
                    mesh_reason *reason);

/* Sets the value, or adds an item to the list, of a setting that has begun (of any kind but KIND_CAPABILITIES). text is
 * len bytes of anything. False, with a reason "expected ..., got ...", when it has not the form. */
bool settings_put(struct settings *s, enum setting which, const char *text, size_t len, mesh_reason *reason);

/* What the value has to be: "a number, 1 to 65535". Returns out. */
const char *setting_expected(enum setting which, char *out, size_t size);

/* Sets one option of a capability from a text: "name", "strategy", "shards" or "weight"; begin with a struct of zeros.
 * False with the reason "strategy: expected ..., got ...", or "expected one of ..." for another key; given twice is for
 * the caller to find. */
bool capability_put(struct capability_setting *capability, const char *key, const char *text, size_t len,
                    mesh_reason *reason);

/* Adds a capability that has at least a name to SETTING_CAPABILITIES, which has begun, and takes what it points at,
 * also on failure: when there is one of this name already, or too many. */
bool settings_add_capability(struct settings *s, struct capability_setting *capability, mesh_reason *reason);

/* Fills in what `over` does not say from `under`, which is empty after it. */
void settings_merge(struct settings *over, struct settings *under);

/* The value, or the default. A text is NULL when it is not given; a number 0 when the library has the default. */
const char *settings_text(const struct settings *s, enum setting which);
uint64_t settings_number(const struct settings *s, enum setting which);
bool settings_on(const struct settings *s, enum setting which);

/* Checks what no value shows alone. False, with the reason, and the setting that is to blame. */
bool settings_check(const struct settings *s, enum setting *which, mesh_reason *reason);

#endif
