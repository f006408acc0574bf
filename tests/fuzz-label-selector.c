/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "label-selector.h"

#include "fuzz-main.h"

static void require(bool condition)
{
        if (!condition)
                abort();
}

/* Some labels there are, and some there are not. */
static const char *lookup(const char *key, const void *labels)
{
        unsigned *asked = (unsigned *) labels;

        (*asked)++;
        return *key == 'a' ? "a" : *key == 'n' ? "5" : *key == 'e' ? "" : NULL;
}

/* Whatever text: an error of one line, or a selector that says which requirement is not met, and whose
 * requirements make the same selector again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(label_selector_freep) LabelSelector *s = NULL, *again = NULL;
        _cleanup_free_ char *text = strndup((const char *) data, size);
        unsigned unmet = UINT32_MAX, again_unmet, asked = 0;
        char error[LABEL_SELECTOR_ERROR_MAX] = "";
        bool matches;

        if (label_selector_parse(text, &s, error) < 0) {
                require(*error && !strchr(error, '\n') && !s);
                return 0;
        }
        require(streq(label_selector_text(s), text));
        matches = label_selector_matches(s, lookup, &asked, &unmet);
        if (matches) {
                require(!label_selector_requirement(s, asked) && unmet == UINT32_MAX);
                return 0;
        }
        require(unmet + 1 == asked && label_selector_requirement(s, unmet));
        require(label_selector_parse(label_selector_requirement(s, unmet), &again, error) == 0);
        require(!label_selector_matches(again, lookup, &asked, &again_unmet) && again_unmet == 0);
        return 0;
}
