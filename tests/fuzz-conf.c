/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "conf-check.h"
#include "conf.h"

#include "fuzz-main.h"

static void require(bool condition)
{
        if (!condition)
                abort();
}

/* Whatever a file says: a configuration that keeps its promises, or an error that says where. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(conf_freep) Conf *c = NULL;
        ConfError error = { "" };

        if (conf_new(&c) < 0)
                return 0;
        if (conf_parse(c, (const char *) data, size, "/f", &error) < 0) {
                require(startswith(error.text, "/f:"));
                require(memchr(error.text, '\n', strlen(error.text)) == NULL);
                return 0;
        }
        require(c->namespaces.blacklist && c->namespaces.include && !str_empty(c->secret.name));
        require(c->renewal.informers_resync_interval >= USEC_PER_SEC);
        require(c->renewal.max_in_flight >= 1 && c->renewal.max_in_flight <= 100);
        require(c->verbosity >= 0 && c->verbosity <= 10);
        require(!c->metrics.address || c->metrics.port > 0);
        require(conf_check(c, &error) == 0 || *error.text);
        return 0;
}
