# SPDX-License-Identifier: MIT
# What tools/demo does where it may make control groups of version 2, in a guest: tools/package/limited makes one, the plain
# pipeline is killed in it, the resource-aware one is done. Fails where that branch, which containers never take, is broken.
set -u
: "${SOURCE:?the source tree}" "${BUILD:?the build tree}"
pipeline=$BUILD/examples/pipeline
exec "$SOURCE/tests/vm/guest" -n 1 -c 4 -m 640 -f "$SOURCE/tests/vm/demo_inside.sh=/demo_inside.sh" -f "$pipeline" \
	-f "$SOURCE/tools/package/limited" -- sh /demo_inside.sh "$SOURCE" "$pipeline"
