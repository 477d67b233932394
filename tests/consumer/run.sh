#!/usr/bin/env bash
# Installs a build into a new folder, builds the consumer project against that
# alone, and runs it and the installed program.
#
# usage: tests/consumer/run.sh BUILD-FOLDER
set -euo pipefail

build=$(cd "${1:?usage: run.sh BUILD-FOLDER}" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >/dev/null
# A package must work from where it is, not from where it was installed.
mv "$work/first" "$work/prefix"
(cd "$work/prefix" && find . -type f | sort)
if grep -rIlF -e "$build" -e "$work/first" "$work/prefix"; then
  echo "run.sh: the files above name a folder of the machine that built them" >&2
  exit 1
fi

cmake -S "$here" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/build"
cmake -DPROGRAM="$work/build/audit" -DFOLDER="$work/models" \
  -P "$here/../readme/run_example.cmake"

"$work/prefix/bin/scanengine" --version
status=0
"$work/prefix/bin/scanengine" "$work/models" || status=$?
if ((status != 1)); then
  echo "run.sh: the installed program returned $status, not 1" >&2
  exit 1
fi
echo "run.sh: install and consumer: ok"
