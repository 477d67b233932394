#!/usr/bin/env bash
# Runs a Windows program of the build tree: run_in_wine.sh PROGRAM [ARGUMENT...]
# Wine's files are kept in the build tree that the program is in; a program that
# hangs is ended after SCANENGINE_WINE_SECONDS.
#
# run_in_wine.sh --start|--end FOLDER: makes wine's files there, or ends what of
# wine runs on them.
set -euo pipefail

# No messages, no windows, no downloads (Mono, Gecko), no debugger at a crash.
export WINEDEBUG=${WINEDEBUG:--all} WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d'
unset DISPLAY WAYLAND_DISPLAY
seconds=${SCANENGINE_WINE_SECONDS:-1400}

case $1 in
  --start)
    export WINEPREFIX=$2
    exec timeout --kill-after=5 "$seconds" wine wineboot --init >/dev/null 2>&1
    ;;
  --end)
    # It fails if there is none.
    WINEPREFIX=$2 timeout 30 wineserver --kill || true
    exit 0
    ;;
esac

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
exec timeout --kill-after=5 "$seconds" wine "$program" "$@"
