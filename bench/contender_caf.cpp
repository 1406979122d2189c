// The C++ Actor Framework (Debian's libcaf-dev, 0.17) doing the work of the local benchmarks, idiomatically.
//
// Build: c++ -std=c++17 -O2 contender_caf.cpp -o contender_caf -lcaf_core
// Run:   ./contender_caf [call_spread|call_hot|activate|idle_bytes]; all of them without a name
#include <caf/all.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

using namespace caf;
using steady = std::chrono::steady_clock;

enum { actors = 300000, spread = 1000, callers = 500, warm_up_each = 400, calls_each = 4000 };

struct counter_state {
    int64_t count = 0;
};

struct caller_state {
    int done = 0;
};

struct maker_state {
    std::vector<actor> all;
    int left = 0;
};

static std::vector<actor> targets;

static behavior counter(stateful_actor<counter_state> *self)
{
    return {[=](int64_t by) { return self->state.count += by; }};
}

static void next_call(stateful_actor<caller_state> *self, int seed, int each, const actor &finished)
{
    if (self->state.done == each) {
        self->send(finished, int64_t{1});
        self->quit();
        return;
    }
    const actor &target = targets[static_cast<size_t>(seed * 7 + self->state.done) % targets.size()];
    ++self->state.done;
    self->request(target, infinite, int64_t{1}).await([=](int64_t) { next_call(self, seed, each, finished); });
}

static behavior caller(stateful_actor<caller_state> *self, int seed, int each, actor finished)
{
    return {[=](ok_atom) { next_call(self, seed, each, finished); }};
}

// Spawns its share and sends each a first message, without waiting for one answer before the next: of the ways tried
// (one caller, a few, 500; from a thread or from actors) the fastest here.
static behavior maker(stateful_actor<maker_state> *self, int each, actor finished)
{
    return {[=](ok_atom) {
                self->state.left = each;
                self->state.all.reserve(static_cast<size_t>(each));
                for (int i = 0; i < each; i++) {
                    self->state.all.push_back(self->spawn(counter));
                    self->send(self->state.all.back(), int64_t{1});
                }
            },
            [=](int64_t) {
                if (--self->state.left == 0)
                    self->send(finished, int64_t{1});
            }};
}

static void report(const char *bench, double value, const char *unit)
{
    std::printf("{\"bench\":\"%s\",\"who\":\"caf\",\"value\":%.0f,\"unit\":\"%s\"}\n", bench, value, unit);
    std::fflush(stdout);
}

static double since(steady::time_point from)
{
    return std::chrono::duration<double>(steady::now() - from).count();
}

static long resident_kib()
{
    char line[256];
    long kib = 0;
    if (FILE *f = std::fopen("/proc/self/status", "r")) {
        while (std::fgets(line, sizeof line, f))
            if (std::strncmp(line, "VmRSS:", 6) == 0)
                kib = std::atol(line + 6);
        std::fclose(f);
    }
    return kib;
}

static void await_ints(scoped_actor &self, int n)
{
    for (int got = 0; got < n;)
        self->receive([&](int64_t) { ++got; });
}

static void activate(actor_system &system, bool speed, bool memory)
{
    scoped_actor self{system};
    std::vector<actor> makers;
    long before = resident_kib();
    auto from = steady::now();
    for (int i = 0; i < callers; i++) {
        makers.push_back(system.spawn(maker, actors / callers, actor_cast<actor>(self)));
        self->send(makers.back(), ok_atom_v);
    }
    await_ints(self, callers);
    if (speed)
        report("activate", actors / since(from), "1/s");
    if (memory)
        report("idle_bytes", static_cast<double>(resident_kib() - before) * 1024 / actors, "B");
    for (auto &m : makers)
        anon_send_exit(m, exit_reason::kill);
}

static double run_callers(actor_system &system, scoped_actor &self, int each)
{
    std::vector<actor> all;
    for (int i = 0; i < callers; i++)
        all.push_back(system.spawn(caller, i, each, actor_cast<actor>(self)));
    auto from = steady::now();
    for (auto &a : all)
        self->send(a, ok_atom_v);
    await_ints(self, callers);
    return since(from);
}

static void call(actor_system &system, const char *bench, int n)
{
    scoped_actor self{system};
    targets.clear();
    for (int i = 0; i < n; i++)
        targets.push_back(system.spawn(counter));
    run_callers(system, self, warm_up_each);
    report(bench, static_cast<double>(callers) * calls_each / run_callers(system, self, calls_each), "1/s");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "all";
    auto wanted = [&](const char *bench) { return std::strcmp(name, "all") == 0 || std::strcmp(name, bench) == 0; };
    if (argc > 2 || !(wanted("activate") || wanted("idle_bytes") || wanted("call_spread") || wanted("call_hot"))) {
        std::fprintf(stderr, "usage: contender_caf [call_spread|call_hot|activate|idle_bytes]\n");
        return 2;
    }
    actor_system_config config;
    actor_system system{config};
    if (wanted("activate") || wanted("idle_bytes"))
        activate(system, wanted("activate"), wanted("idle_bytes"));
    if (wanted("call_spread"))
        call(system, "call_spread", spread);
    if (wanted("call_hot"))
        call(system, "call_hot", 1);
    std::_Exit(0);
}
