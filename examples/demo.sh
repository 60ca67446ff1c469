#!/usr/bin/env bash
# The main job on a copy of examples/library, with no key and no server started by hand.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset GEMINI_API_KEY GOOGLE_API_KEY GOOGLE_GEMINI_BASE_URL OBJLIB_BASE_URL
cp -r "$here/library" "$work/library"
cd "$work"

run() {
    printf '\n\033[1m$'
    for word in "$@"; do
        case $word in *[[:space:]]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\033[0m\n'
    "$@"
}

say() { printf '\n# %s\n' "$*"; }

say "First round: $(find library -type f | wc -l | tr -d ' ') files on disk, an empty store."
run objlib scan --library library
run objlib fsm-upload
run objlib store-sync
run objlib search "How many mites in July mean that bees must be treated?" --top-k 2
run objlib search "Wie nannte die Großmutter den Sauerteig?" --top-k 2
run objlib status

say "Second round: one file changed, one added, one deleted."
first=$(find library -name 'Week 1 - *.txt' | sort | head -n 1)
second=$(find library -name 'Week 2 - *.txt' | sort | head -n 1)
printf '\nA later note: the lecture was given again in the spring.\n' >>"$first"
printf 'Lanterns on the quay are trimmed at dusk, and never with a wet wick.\n' >"$(dirname "$first")/Week 9 - Lanterns.txt"
rm "$second"
run objlib scan
run objlib fsm-upload
run objlib store-sync || true # exit code 1: something is off, namely the deleted file's document
run objlib store-sync --apply
run objlib search "When are the lanterns trimmed?" --top-k 1
run objlib status

say "The same in a browser: \"objlib web\" prints an address for one use, and the page asks for your folder."
