# Makes the project's own virtual environment, .venv, if it is not there or not as the files want it.
#
#   . tools/setup.sh [dev]     sourced by the commands of tools/, from any directory
#
# Idempotent; quick the second time: a stamp in .venv holds the digest of all that it was made from.
# A .venv that is broken, or was made elsewhere, is made again. Afterwards the working directory is
# the clone and $python the interpreter in .venv.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
python="$PWD/.venv/bin/python"

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
    if [ -n "$candidate" ] && "$candidate" - 2>/dev/null <<'PY'
import sys, venv, ensurepip
sys.exit(sys.version_info < (3, 11))
PY
    then
      command -v "$candidate"
      return 0
    fi
  done
  cat >&2 <<'TEXT'
zpeer needs Python 3.11 or newer with the modules venv and ensurepip; none of python3, python3.14 ...
python3.11 is that. Install one (Debian, Ubuntu: apt install python3 python3-venv) or name one:
PYTHON=/path/to/python3 tools/demo
TEXT
  return 1
}

# All that the environment depends on, in two lines: where and by what it was made, and of what.
describe_setup() {
  "$1" -c 'import sys; print(sys.version, sys.base_prefix, sys.argv[1])' "$PWD" | tr '\n' ' '
  echo
  cat pyproject.toml constraints.txt | cksum
}

# Whether everything installed is still there, without importing it (torch alone takes seconds).
is_whole() {
  "$python" - "$1" <<'PY' 2>/dev/null
import sys
from importlib.metadata import distribution, requires
from importlib.util import find_spec
from re import match

wanted = [line for line in requires("zpeer") or () if "extra ==" not in line or sys.argv[1] in line]
for line in wanted:
    name = match(r"[A-Za-z0-9._-]+", line)[0]
    assert all(file.locate().exists() for file in (distribution(name).files or ())[:50]), name
assert find_spec("torch") and find_spec("zpeer") and find_spec("zpeer_plugins")
PY
}

make_environment() {
  rm -rf .venv
  "$base" -m venv .venv
}

install() {
  local what="."
  [ "$1" = dev ] && what=".[dev]"
  "$python" -m pip install -qq --disable-pip-version-check -c constraints.txt -e "$what"
}

set_up() {
  local extra="${1:-run}" base wanted
  base="$(find_python)" || return 2
  wanted="$(describe_setup "$base")"
  local stamp
  for stamp in ".venv/stamp-$extra" .venv/stamp-dev; do
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && is_whole "$extra"; then return 0; fi
  done
  echo "setting up .venv (the first time this takes about a minute) ..." >&2
  # What was made in the same place by the same Python can be brought up to date; anything else not.
  if [ "$(head -n 1 .venv/stamp-run 2>/dev/null)" != "$(head -n 1 <<<"$wanted")" ] ||
    ! is_whole run || ! install "$extra"; then
    make_environment && install "$extra" || return 2
  fi
  rm -f .venv/stamp-*
  echo "$wanted" >.venv/stamp-run
  if [ "$extra" = dev ]; then echo "$wanted" >.venv/stamp-dev; fi
  is_whole "$extra" || { echo ".venv is not whole after the set-up; see above" >&2; return 2; }
}

# One set-up at a time, where the system can lock.
exec 9>.venv.lock
if command -v flock >/dev/null; then flock 9; fi
set_up "$@" || exit 2
exec 9>&-
