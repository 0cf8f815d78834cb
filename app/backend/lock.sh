#!/bin/sh
# Rewrites both lock files from the .in files. Needs uv. The environment is emptied of pip and uv settings, because a
# private index or a wheel directory of the person who locks must not end up in a file that everybody installs from.
set -eu
cd "$(dirname "$0")"
for name in requirements requirements-test; do
  env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL -u UV_FIND_LINKS -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL \
    -u UV_INDEX -u UV_DEFAULT_INDEX \
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
    --no-annotate --only-binary :all: "$@" --output-file "$name.txt" "$name.in"
done
if grep -n '://' requirements.txt requirements-test.txt; then
  echo "a lock file names a server; look at the lines above" >&2
  exit 1
fi
