#!/usr/bin/env bash
# Runs a Windows program of the build tree: run_in_wine.sh PROGRAM [ARGUMENT...]
# Wine's files are kept in the build tree that the program is in; a program that
# hangs is ended after SCANENGINE_WINE_SECONDS.
set -euo pipefail

program=$1
shift
if [[ -z ${WINEPREFIX:-} ]]; then
  build=$(dirname "$(realpath "$program")")
  while [[ ! -e $build/CMakeCache.txt && $build != / ]]; do
    build=$(dirname "$build")
  done
  [[ $build != / ]] || build=$(dirname "$(realpath "$program")")
  export WINEPREFIX=$build/wine
fi
# No messages, no windows, no downloads (Mono, Gecko), no debugger at a crash.
export WINEDEBUG=${WINEDEBUG:--all} WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d'
unset DISPLAY WAYLAND_DISPLAY
exec timeout --kill-after=5 "${SCANENGINE_WINE_SECONDS:-120}" \
  wine "$program" "$@"
