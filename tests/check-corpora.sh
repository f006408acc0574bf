#!/bin/sh
# Feeds each fuzz target what its corpus holds; a crash or a sanitizer's word fails.
corpus="${top_srcdir:-.}/tests/corpus"
for target in aws-ecr aws-profile aws-sts conf kube-config kube-stream label-selector; do
        "tests/fuzz-$target" "$corpus/$target"/* || exit 1
done
