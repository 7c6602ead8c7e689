# shellcheck shell=bash
# Records which suites passed for which tree. Sourced by tests/run.
#
# Uses $scratch, $target, $now, $passed and the functions field and suites of tests/run.

# One file for each suite: the tree and the commit for which the suite last passed, and its duration in seconds.
records=$target/suites

# Prints the hash of the current tree with uncommitted changes and new files, or nothing if git fails.
tree() {
    local index=$scratch/index
    cp "$(git rev-parse --git-path index)" "$index" &&
        GIT_INDEX_FILE=$index git add --all && GIT_INDEX_FILE=$index git write-tree
} 2>/dev/null

# record vm TREE SECONDS: records that the suite vm passed.
record() {
    mkdir -p "$records"
    echo "$2 $(git rev-parse HEAD) $3" >"$records/$1"
}

passed_for_this_tree() {
    [[ -n $now && -f $records/$1 && $(awk '{ print $1 }' "$records/$1") == "$now" ]]
}

# Prints the tree or commit to compare the suite's sources with: the tree for which the suite last passed, or else the
# merge base with the upstream branch.
reference() {
    local known upstream
    for known in $(awk '{ print $1, $2 }' "$records/$1" 2>/dev/null); do
        git cat-file -e "$known" 2>/dev/null && echo "$known" && return
    done
    for upstream in '@{upstream}' origin/main; do
        git merge-base HEAD "$upstream" 2>/dev/null && return
    done
    return 1
}

# Names the slow suites that are due: their sources changed, or they have no record.
remind() {
    local suite base due=() unknown=()
    for suite in $(suites); do
        [[ $(field Suite "$suite" Tier) == slow && " ${passed[*]} " != *" $suite "* ]] || continue
        ! passed_for_this_tree "$suite" || continue
        if [[ -z $now ]] || ! base=$(reference "$suite"); then
            unknown+=("$suite")
        # shellcheck disable=SC2046 # one word for each
        elif ! git diff --quiet "$base" "$now" -- $(field Suite "$suite" Sources) "tests/real/$suite" \
            "tests/real/$suite.rs"; then
            due+=("$suite")
        fi
    done
    ((!${#due[@]})) || printf '\n== sources changed since these suites last passed: tests/run %s\n' "${due[*]}"
    ((!${#unknown[@]})) || printf '\n== no record of these suites: tests/run %s\n' "${unknown[*]}"
}
