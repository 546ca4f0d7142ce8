#!/bin/sh
# Browser tests drive the system's Chromium. As root on Debian it is installed here; elsewhere this only says what to do.
for name in "${COFFER_CHROMIUM:-chromium}" chromium-headless-shell chromium chromium-browser; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the browser tests"
    export DEBIAN_FRONTEND=noninteractive
    # Other installs may hold the lock for a while.
    apt-get -qq -o DPkg::Lock::Timeout=300 update
    for name in chromium-headless-shell chromium; do
        apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$name" >/dev/null && exit 0
    done
fi
echo "Chromium is missing: browser tests are skipped. Install it (Debian, as root: apt-get install chromium)" >&2
echo "or name another one in COFFER_CHROMIUM." >&2
[ -z "$COFFER_REQUIRE_BROWSER" ]
