#!/usr/bin/env bash
# Writes a plan onto its pull request: the comment that is there already is written anew, so that there is one.
set -euo pipefail

mark='<!-- relrun plan -->'
comments="repos/$GITHUB_REPOSITORY/issues/$RELRUN_ACTION_PULL_REQUEST/comments"
if [[ $(head -n 1 "$RELRUN_ACTION_PLAN") != "$mark" ]]; then
    echo "relrun: there is no plan to show" >&2
    exit 0
fi
# One that somebody else wrote could begin alike, and could not be changed either.
known=$(gh api --paginate "$comments" --jq ".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$mark\"))) | .id" | head -n 1)
if [[ -n $known ]]; then
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$known" --field "body=@$RELRUN_ACTION_PLAN" >/dev/null
else
    gh api --method POST "$comments" --field "body=@$RELRUN_ACTION_PLAN" >/dev/null
fi
