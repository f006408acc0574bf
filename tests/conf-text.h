/* SPDX-License-Identifier: MIT */
#pragma once

/* Configurations that are texts, and the sentences in which they are refused. */

#include "conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka.h comes after what it uses. */
#include <cmocka.h>

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

#define PRINTABLE "there is a blank or a character that is not ASCII in the value"
#define LISTEN "is neither \"off\" nor ADDRESS:PORT such as 127.0.0.1:5000, [::1]:5000 or 0.0.0.0:5000"
#define SECRET_NAME                                                                                         \
        "is no name for a Secret: up to 253 lower-case letters, digits, \"-\" and \".\", with a letter or " \
        "digit at both ends and beside each \".\""
#define LETTERS                                                                                            \
        "names of namespaces have lower-case letters, digits and \"-\" only, globs also \"*\", \"?\" and " \
        "\"[...]\""
#define SECTIONS "[aws] [registry NAME] [kubernetes] [namespaces] [secret] [renewal] [metrics] [log]"
#define MALFORMED "neither [SECTION] nor KEY = VALUE; a list continues on indented lines"

static inline Conf *defaults(void)
{
        Conf *c;

        assert_int_equal(conf_new(&c), 0);
        return c;
}

static inline int parse_onto(Conf *c, const char *text, ConfError *error)
{
        memset(error, 0, sizeof(*error));
        return conf_parse(c, text, strlen(text), "/x/t.conf", error);
}

/* What a text that has to be right makes of the defaults. */
static inline Conf *parsed(const char *text)
{
        Conf *c = defaults();
        ConfError error;

        if (parse_onto(c, text, &error) < 0)
                fail_msg("refused: %s\n%s", error.text, text);
        assert_string_equal(error.text, "");
        return c;
}

static inline void check_refused(const char *text, const char *expected)
{
        _cleanup_(conf_freep) Conf *c = defaults();
        ConfError error;

        if (parse_onto(c, text, &error) >= 0)
                fail_msg("not refused: %s", text);
        assert_string_equal(error.text, expected);
}

static inline void check_list(char **list, const char *expected)
{
        char joined[4096] = "";

        for (; *list; list++)
                (void) snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s",
                                *joined ? " " : "", *list);
        assert_string_equal(joined, expected);
}
