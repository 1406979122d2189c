/* mesh epmd: the port mapper of the library in the foreground. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/admin.h>

#include "cli/verb.h"
#include "cli/words.h"

static void help(void)
{
    puts(
        "\nFor machines without Erlang's epmd, whose protocol it speaks: erl and Elixir nodes use it as theirs. Names\n"
        "are registered from this machine only, and told to anyone. It logs to stderr who comes and goes, and ends\n"
        "by SIGTERM, SIGINT, or `epmd -kill` while no node is registered.\n\n"
        "  --port PORT        to listen on (default: ERL_EPMD_PORT, else 4369)\n"
        "  --address ADDRESS  of IPv4 or IPv6, to listen on beside 127.0.0.1 (default: all of this machine's)");
}

/* 1 to 65535; 0 when the text is no such number. */
static uint16_t parse_port(const char *text)
{
    unsigned long port = 0;
    if (text[strspn(text, "0123456789")] == '\0' && strlen(text) <= 5)
        port = strtoul(text, NULL, 10);
    return port <= 65535 ? (uint16_t)port : 0;
}

static int run(struct args *args)
{
    static const char *const flags[] = {"port", "address", NULL};
    mesh_epmd_options options = {.size = sizeof options};
    mesh_reason reason = {""};
    const char *port = getenv("ERL_EPMD_PORT"), *from = "ERL_EPMD_PORT";
    char quote[QUOTE_SIZE];
    struct arg arg;
    while (args_next(args, &arg)) {
        bool is_port = strcmp(arg.flag, "port") == 0;
        const char *value = NULL;
        if (arg.flag[0] == '\0')
            return verb_misuse(&verb_epmd, "expected flags, got %s",
                               words_quote(arg.word, strlen(arg.word), quote, sizeof quote));
        if (!is_port && strcmp(arg.flag, "address") != 0)
            return verb_unknown_flag(&verb_epmd, &arg, flags, false);
        if ((value = args_value(args, &arg)) == NULL)
            return verb_misuse(&verb_epmd, "--%s: expected a value", arg.flag);
        if (is_port)
            port = value, from = "--port";
        else
            options.address = value;
    }
    if (port != NULL && port[0] != '\0' && (options.port = parse_port(port)) == 0)
        return verb_misuse(&verb_epmd, "%s: expected a number, 1 to 65535, got %s", from,
                           words_quote(port, strlen(port), quote, sizeof quote));
    switch (mesh_epmd_run(&options, &reason)) {
    case MESH_OK:
        return EXIT_DONE;
    case MESH_EINVAL:
        return verb_misuse(&verb_epmd, "--address: expected an IPv4 or IPv6 address, got %s",
                           words_quote(options.address, strlen(options.address), quote, sizeof quote));
    default:
        fprintf(stderr, "mesh epmd: %s\n", reason.text);
        return EXIT_FAILED;
    }
}

const struct verb verb_epmd = {"epmd", "[--port PORT] [--address ADDRESS]", "Run an Erlang port mapper", help, run};
