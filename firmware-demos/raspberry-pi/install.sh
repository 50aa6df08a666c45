#!/usr/bin/env bash
# Installs Nibble for all users of a Raspberry Pi (64-bit system, Node.js 20 or later) and, with
# --service, a service that writes a story to a file every morning.
set -euo pipefail
cd "$(dirname "$0")"

if [ "$(uname -m)" != aarch64 ] && [ "$(uname -m)" != x86_64 ]; then
  echo "A 64-bit system is needed: this one is $(uname -m)." >&2
  exit 1
fi
major=$(node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/' || true)
if [ -z "$major" ] || [ "$major" -lt 20 ]; then
  echo "Node.js 20 or later is needed: sudo apt install nodejs npm, or from nodejs.org." >&2
  exit 1
fi
npm install --global "${NIBBLE_PACKAGE:-nibble-lm}"
nibble run "The little computer woke up and" -n 60 --seed 1

if [ "${1:-}" = --service ]; then
  install -m 644 nibble-story.service nibble-story.timer /etc/systemd/system/
  systemctl daemon-reload
  systemctl enable --now nibble-story.timer
fi
