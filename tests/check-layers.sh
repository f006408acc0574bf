#!/bin/sh
# Holds src/ to src/LAYERS: every module has a rank, and includes only modules of lower ranks.
cd "${top_srcdir:-$(dirname "$0")/..}/src" || exit 1
awk '
        function stem(path) { sub(/\.[ch]$/, "", path); return path }
        FILENAME == "LAYERS" {
                if (/^[0-9]/)
                        for (i = 2; i <= NF; i++)
                                rank[$i] = $1
                next
        }
        FNR == 1 {
                module = stem(FILENAME)
                if (!(module in rank)) {
                        print "src/" FILENAME ": not in LAYERS"
                        bad = 1
                }
                seen[module] = 1
        }
        /^#include "/ {
                split($2, part, "\"")
                other = stem(part[2])
                if (other == module || other == "config")
                        next
                if (!(other in rank) || rank[other] >= rank[module]) {
                        printf "src/%s:%d: %s (%s) includes %s (%s)\n", FILENAME, FNR, module, rank[module], other, rank[other]
                        bad = 1
                }
        }
        END {
                for (module in rank)
                        if (!(module in seen)) {
                                print "src/LAYERS: there is no " module
                                bad = 1
                        }
                exit bad
        }
' LAYERS *.c *.h
