#!/usr/bin/env bash
# What the GitHub Action runs: check the lock, make the environment, verify it, and say so where GitHub shows it.
# The inputs come as INPUT_* variables; the exit status is that of envlock.
set -uo pipefail
env=${INPUT_ENV:-}
read -r -d "" -a arguments <<< "${INPUT_ARGS:-}" # words of all lines; quotes and globs mean nothing
read -r -d "" -a files <<< "${INPUT_OUTPUT:-}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

finish() {
    {
        echo "exit-code=$1"
        echo "verdict=$2"
    } >> "${GITHUB_OUTPUT:-/dev/null}"
    exit "$1"
}

if [ "${INPUT_CHECK_LOCK:-true}" = true ]; then
    envlock lock --check ${env:+-- "$env"} || finish $? ""
fi
sync=${INPUT_SYNC:-true}
for argument in ${arguments[@]+"${arguments[@]}"}; do
    case $argument in --image* | --container* | --report*) sync=false ;; esac # these are judged where they are
done
if [ "$sync" = true ]; then
    envlock sync ${env:+-- "$env"} || finish $? ""
fi
outputs=()
for file in ${files[@]+"${files[@]}"}; do
    outputs+=(--output "$file")
done
envlock verify ${arguments[@]+"${arguments[@]}"} --format github --output "json:$work/verdict.json" \
    --output "markdown:$work/summary.md" ${outputs[@]+"${outputs[@]}"} ${env:+-- "$env"}
code=$?
[ -f "$work/verdict.json" ] || [ "$code" -ne 0 ] || code=2 # as with --help: nothing was judged
verdict=""
[ ! -f "$work/verdict.json" ] || verdict=$(python3 -I -c 'import json, sys; print(json.load(open(sys.argv[1]))["verdict"])' "$work/verdict.json")
[ ! -f "$work/summary.md" ] || cat "$work/summary.md" >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
finish "$code" "$verdict"
