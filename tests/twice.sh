#!/bin/sh
# Run pytest. Tests that failed run once more, one at a time: on a busy machine a limit of time is passed now and then,
# a fault fails again. Usage: twice.sh NAME PYTHON PYTEST-ARGUMENTS… NAME is where it notes what failed.
cache=.pytest_cache/$1 python=$2
shift 2
rm -rf "$cache"
"$python" -m pytest -o cache_dir="$cache" "$@"
code=$?
[ $code = 1 ] || exit $code
echo "What failed runs once more, one at a time; it counts if it fails again."
exec "$python" -m pytest -o cache_dir="$cache" "$@" -n 0 --last-failed --last-failed-no-failures none
