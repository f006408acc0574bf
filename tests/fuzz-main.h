/* SPDX-License-Identifier: MIT */
#pragma once

/* Included by each fuzz target. Under --enable-fuzzing libFuzzer brings main(); else this one feeds the
 * files that are named to the target, so that make check replays the corpora. */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef ENABLE_FUZZING
#include <stdio.h>
#include <stdlib.h>

static int feed_file(const char *path)
{
        FILE *f = fopen(path, "re");
        uint8_t *data = NULL;
        long size;
        int r = -1;

        if (!f)
                return -1;
        if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
                data = malloc((size_t) size + 1);
                if (data && fread(data, 1, (size_t) size, f) == (size_t) size)
                        r = LLVMFuzzerTestOneInput(data, (size_t) size);
        }
        free(data);
        (void) fclose(f);
        return r;
}

int main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (feed_file(argv[i]) < 0) {
                        (void) fprintf(stderr, "%s: cannot be read\n", argv[i]);
                        return 1;
                }
        return argc > 1 ? 0 : 1;
}
#endif
