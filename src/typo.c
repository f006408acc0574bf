/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "typo.h"

#include <strings.h>

#define NAME_LENGTH_MAX 64U

size_t typo_distance(const char *name, const char *known)
{
        size_t row[NAME_LENGTH_MAX + 1], n = strlen(name);

        if (n > NAME_LENGTH_MAX)
                return SIZE_MAX;
        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 0; known[i]; i++) {
                size_t diagonal = row[0];

                row[0] = i + 1;
                for (size_t j = 0; j < n; j++) {
                        size_t replaced = diagonal + (strncasecmp(known + i, name + j, 1) != 0);

                        diagonal = row[j + 1];
                        row[j + 1] = MIN(replaced, MIN(row[j], row[j + 1]) + 1);
                }
        }
        return row[n] <= MAX(n, strlen(known)) / 3 ? row[n] : SIZE_MAX;
}
