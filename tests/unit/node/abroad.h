/* What the tests of processes abroad share: a node whose other nodes are the test itself.
 *
 * What the node sends is written down as text, line by line, and taken by expect(); what other nodes send is said by
 * the functions come_…. Pids are printed by the names they were given with label(). */
#ifndef TESTS_UNIT_NODE_ABROAD_H
#define TESTS_UNIT_NODE_ABROAD_H

#include "unit/api/agent.h"

#include "node/node.h"

extern mesh_node *node;
extern struct foreign *foreign;

/* For cmocka_unit_test_setup_teardown. Afterwards nothing may be left: no tie, no stand-in, no call. */
int abroad_set_up(void **state);
int abroad_tear_down(void **state);

/* A node with other limits in place of the one that was set up. */
void abroad_restart(const struct foreign_limits *limits);

/* A process of the node beam@host, which is linked; of far@host, which is not before far_up. */
mesh_pid beam(uint64_t number);
mesh_pid far(uint64_t number);
void far_up(void);
void far_down(void);
void beam_down(void);
void beam_up(void);
int connects(void); /* how often a connection was asked for */

/* The process of an id, started if need be, and labelled with it. */
mesh_pid pid_of(const char *id);
void label(const mesh_pid *pid, const char *name);

/* ---- What the node sends ---- */

/* The next message: "NODE KIND FROM TO", then, as far as there are any, the reference ("own", if it is of the node),
 * and the message. Waits for it. */
void expect(const char *line);
/* Nothing has been sent that was not expected. */
void expect_nothing(void);
/* The reference, or the id, of the line expected last. */
mesh_ref last_ref(void);
uint64_t last_id(void);
/* What foreign_watch has told, in all; the number told last. */
int gone_count(void);
uint64_t gone_last(void);

/* ---- What comes from beam@host ---- */

/* message: the text of a term. */
bool come_send(const mesh_pid *to, const char *message);
bool come_term(const mesh_pid *to, mesh_term message);
bool come_to_name(const char *name, mesh_term message);
bool come_monitor(const mesh_pid *from, const mesh_pid *to, uint32_t ref);
bool come_demonitor(const mesh_pid *from, const mesh_pid *to, uint32_t ref);
bool come_down(const mesh_pid *from, const mesh_pid *to, const mesh_ref *ref, const char *reason);
bool come_link(const mesh_pid *from, const mesh_pid *to);
bool come_unlink(const mesh_pid *from, const mesh_pid *to, uint64_t id);
bool come_unlink_ack(const mesh_pid *from, const mesh_pid *to, uint64_t id);
bool come_exit(const mesh_pid *from, const mesh_pid *to, const char *reason);
bool come_exit2(const mesh_pid *from, const mesh_pid *to, const char *reason);
mesh_ref beam_ref(uint32_t word);

/* ---- What processes do ---- */

/* Has the process of an id run an act, which must succeed. */
void act_on(const char *id, act_fn fn, void *arg);

struct tie_act {
    mesh_pid pid;
    mesh_ref ref;
    int rc; /* what the function gave */
};
int act_monitor(struct scene *s);
int act_demonitor(struct scene *s);
int act_link(struct scene *s);
int act_unlink(struct scene *s);
int act_trap(struct scene *s);
int act_write(struct scene *s);    /* mesh_send(pid, :hello) */
int act_exit_pid(struct scene *s); /* mesh_exit(pid, :boom) */
int act_crash_boom(struct scene *s);
int act_hold(struct scene *s); /* arg: two gates. Opens the first, and stays in its handler until the second is open */

/* The info at index i of the script, once it is there: {:DOWN, ref, :process, pid, reason} and {:EXIT, pid, reason}. */
void expect_down(int i, const mesh_ref *ref, const mesh_pid *pid, const char *reason);
void expect_exit(int i, const mesh_pid *pid, const char *reason);

void expect_counts(uint32_t ties, uint32_t stand_ins);

#endif
