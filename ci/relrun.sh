#!/usr/bin/env bash
# Runs relrun in CI: what `ci/github/action.yml` and `ci/gitlab/relrun.yml` share. Words come in variables, one a line, and are never evaluated.
set -u

program=${RELRUN_ACTION_PROGRAM:-relrun}
command=${RELRUN_ACTION_COMMAND:-plan}
case $command in
    plan | apply | check) ;;
    *)
        echo "relrun: command is $command, and it is plan, apply or check" >&2
        exit 2
        ;;
esac

words=("$command" "${RELRUN_ACTION_MANIFEST:-release.kdl}")
add() { # OPTION LINES
    local line
    while IFS= read -r line; do
        line=${line%$'\r'}
        [[ -z ${line//[[:space:]]/} ]] && continue
        if [[ -n $1 ]]; then words+=("$1" "$line"); else words+=("$line"); fi
    done <<<"$2"
}
add -e "${RELRUN_ACTION_ENVIRONMENTS:-}"
add -i "${RELRUN_ACTION_INPUTS:-}"
add "" "${RELRUN_ACTION_ARGUMENTS:-}"

output=${GITHUB_OUTPUT:-/dev/null}
summary=${GITHUB_STEP_SUMMARY:-/dev/null}
if [[ $command == plan ]]; then
    plan=${RELRUN_ACTION_PLAN:-$(mktemp "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/relrun-plan.XXXXXX")}
    "$program" "${words[@]}" --format github >"$plan"
    code=$?
    if [[ -n ${GITHUB_ACTIONS:-} ]]; then
        # What a manifest or a plugin says must be no command to the runner.
        token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
        printf '::stop-commands::%s\n' "$token"
        cat "$plan"
        printf '\n::%s::\n' "$token"
    else
        cat "$plan"
    fi
    cat "$plan" >>"$summary"
    echo "plan=$plan" >>"$output"
else
    # Nobody is there to be asked.
    [[ $command == apply ]] && words+=(--yes)
    "$program" "${words[@]}"
    code=$?
fi
echo "exit-code=$code" >>"$output"
exit "$code"
