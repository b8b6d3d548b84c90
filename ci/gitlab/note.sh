#!/usr/bin/env bash
# Writes a plan onto its merge request: the note that is there already is written anew, so that there is one.
set -euo pipefail

mark='<!-- relrun plan -->'
plan=${RELRUN_ACTION_PLAN:-relrun-plan.md}
if [[ -z ${RELRUN_TOKEN:-} || -z ${CI_MERGE_REQUEST_IID:-} || ! -s $plan || $(head -n 1 "$plan") != "$mark" ]]; then
    echo "relrun: no note is written" >&2
    exit 0
fi
notes="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
# The token goes in by a file descriptor: on the command line, other processes could read it.
call() { curl --silent --show-error --fail --header @<(printf 'PRIVATE-TOKEN: %s\n' "$RELRUN_TOKEN") "$@"; }
me=$(call "$CI_API_V4_URL/user" | jq -r .id)
known=$(call "$notes?per_page=100&sort=asc" | jq -r --arg mark "$mark" --argjson me "$me" \
    'map(select(.author.id == $me and (.body | startswith($mark)))) | .[0].id // empty')
if [[ -n $known ]]; then
    call --request PUT "$notes/$known" --data-urlencode "body@$plan" >/dev/null
else
    call --request POST "$notes" --data-urlencode "body@$plan" >/dev/null
fi
