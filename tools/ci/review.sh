#!/usr/bin/env bash
# What the GitHub Action in review/ runs: review the locks of a pull request, and keep one comment on it up to date.
# The inputs come as INPUT_* variables, the token as GH_TOKEN; the exit status is that of envlock.
set -uo pipefail
base=${INPUT_BASE:-}
read -r -d "" -a arguments <<< "${INPUT_ARGS:-}" # words of all lines; quotes and globs mean nothing
read -r -d "" -a files <<< "${INPUT_OUTPUT:-}"
repository=${GITHUB_REPOSITORY:-}
number=${INPUT_NUMBER:-}
marker="<!-- envlock review of ${INPUT_PLACE:-.} -->"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
answers="" # whether GitHub is asked at all: a fork's token, or none, is no reason to fail
[ -n "$number" ] && [ -n "${GH_TOKEN:-}" ] && command -v gh > /dev/null && answers=true

said() { # FILE: what of the review in it becomes outputs, one a line
    python3 -I -c 'import json, sys
review = json.load(open(sys.argv[1], encoding="utf-8"))
changed = [each["env"] for each in review["environments"] if each["state"] != "unchanged" or each["stale"]]
print("changed=" + " ".join(changed))
print("missing=" + json.dumps(review["missing"]))' "$1"
}

labels() { # one a line: those that the pull request has now, else those that it had when the job was started
    local now
    if [ "$answers" = true ] && now=$(gh api --paginate "repos/$repository/issues/$number/labels" --jq ".[].name"); then
        printf '%s\n' "$now"
        return
    fi
    python3 -I -c 'import json, sys
text = sys.argv[1].strip()
rows = json.loads(text) if text.startswith("[") else text.splitlines()
print("\n".join(str(row) for row in rows if row and row != "null"))' "${INPUT_LABELS:-}"
}

comment() { # FILE ONLY_OVER: write the one comment; with a second argument only over an older one
    local me found mine='.user.type == "Bot"' body="$work/comment.json"
    # A comment of a stranger that looks like ours is left alone: he could change afterwards what it says.
    if me=$(gh api user --jq .login 2> /dev/null); then mine=".user.login == \"$me\""; fi
    python3 -I -c 'import json, sys
text = open(sys.argv[1], encoding="utf-8").read()
json.dump({"body": f"{sys.argv[2]}\n{text}"}, open(sys.argv[3], "w", encoding="utf-8"))' "$1" "$marker" "$body"
    found=$(gh api --paginate "repos/$repository/issues/$number/comments" \
        --jq ".[] | select($mine) | select(.body | startswith(\"$marker\")) | .id") || return 1
    found=${found%%$'\n'*}
    if [ -n "$found" ] && gh api --method PATCH "repos/$repository/issues/comments/$found" --input "$body" > /dev/null; then
        return
    fi
    [ -n "$2" ] || gh api --method POST "repos/$repository/issues/$number/comments" --input "$body" > /dev/null
}

if [ -z "$base" ]; then
    echo "error: There is no commit to hold the locks against; give the input base." >&2
    echo "exit-code=2" >> "${GITHUB_OUTPUT:-/dev/null}"
    exit 2
fi
if ! git cat-file -e "$base^{commit}" 2> /dev/null; then # actions/checkout brings one commit alone
    git fetch --quiet --no-tags --depth=1 origin -- "$base" || true # envlock says what is missing, and what to do
fi
options=()
for file in ${files[@]+"${files[@]}"}; do
    options+=(--output "$file")
done
while IFS= read -r label; do
    [ -z "$label" ] || options+=("--label=$label")
done < <(labels)
# The commit, not the work tree: what a pull request names as requirements is told, and no file of this machine shall be,
# such as .git/config with the token of actions/checkout, or /proc/self/environ with this one.
env -u GH_TOKEN -u GITHUB_TOKEN envlock review ${arguments[@]+"${arguments[@]}"} --format github --output "json:$work/review.json" \
    --output "markdown:$work/review.md" ${options[@]+"${options[@]}"} -- "$base" HEAD
code=$?
[ -f "$work/review.json" ] || [ "$code" -ne 0 ] || code=2 # as with --help: nothing was reviewed
echo "exit-code=$code" >> "${GITHUB_OUTPUT:-/dev/null}"
quiet=true # no comment where there is nothing to say; one that no longer holds is not left standing
if [ -f "$work/review.json" ]; then
    outputs=$(said "$work/review.json")
    printf '%s\n' "$outputs" >> "${GITHUB_OUTPUT:-/dev/null}"
    [ "$code" -eq 0 ] && [ "${outputs%%$'\n'*}" = "changed=" ] || quiet=""
else
    printf '## ✗ Environments\n\nThere is no answer (exit code %s); the log of the job says why.\n' "$code" > "$work/review.md"
fi
if [ "${INPUT_COMMENT:-true}" != true ] || [ "$answers" != true ] || ! comment "$work/review.md" "$quiet"; then
    cat "$work/review.md" >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
fi
exit "$code"
