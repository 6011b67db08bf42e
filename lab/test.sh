#!/bin/sh
# Runs the lab's Go tests, with the guest's disk built and named, so that those that boot one run too.
set -eu
cd "$(dirname "$0")"
RUNDIRECT_LAB_GUEST_DISK=$(../setup/node24 -e "const { ensureGuestDisk } = await import('$PWD/build.ts'); console.log(await ensureGuestDisk((line) => console.error(line)))" --input-type=module)
export RUNDIRECT_LAB_GUEST_DISK
exec go test "$@" ./...
