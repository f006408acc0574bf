#!/bin/sh
# Holds systemd/eatr.catalog to src/message.h: every identifier is used, and has exactly one entry.
cd "${top_srcdir:-$(dirname "$0")/..}" || exit 1
status=0
complain() {
        echo "$*"
        status=1
}
defined=$(sed -n 's/^#define MESSAGE_[A-Z_]* "\([0-9a-f]\{32\}\)"$/\1/p' src/message.h | sort)
[ -n "$defined" ] || complain "src/message.h: no identifiers"
explained=$(sed -n 's/^-- \([0-9a-f]*\)$/\1/p' systemd/eatr.catalog | sort)
[ "$defined" = "$explained" ] || complain "src/message.h and systemd/eatr.catalog have different identifiers, or one twice"
for name in $(sed -n 's/^#define \(MESSAGE_[A-Z_]*\) .*/\1/p' src/message.h); do
        grep -qw "$name" src/*.c || complain "src/message.h: nothing uses $name"
done
exit $status
