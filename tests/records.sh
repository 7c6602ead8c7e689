# shellcheck shell=bash
# Which suites passed, and for which tree. Sourced by tests/run.
#
# Uses its $scratch, $target, $now and $passed, and its functions field and suites.

# One file for each suite: the tree and the commit that it last passed for, and its seconds.
records=$target/suites

# The tree as it is now, with uncommitted changes and new files; nothing where git cannot tell.
tree() {
    local index=$scratch/index
    cp "$(git rev-parse --git-path index)" "$index" &&
        GIT_INDEX_FILE=$index git add --all && GIT_INDEX_FILE=$index git write-tree
} 2>/dev/null

# record vm TREE SECONDS
record() {
    mkdir -p "$records"
    echo "$2 $(git rev-parse HEAD) $3" >"$records/$1"
}

passed_for_this_tree() {
    [[ -n $now && -f $records/$1 && $(awk '{ print $1 }' "$records/$1") == "$now" ]]
}

# What the suite's sources are compared with: the tree that it last passed for, else where the branch began.
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

# Names the slow suites that this run leaves open.
remind() {
    local suite since open=() unknown=()
    for suite in $(suites); do
        [[ $(field Suite "$suite" Tier) == slow && " ${passed[*]} " != *" $suite "* ]] || continue
        ! passed_for_this_tree "$suite" || continue
        if [[ -z $now ]] || ! since=$(reference "$suite"); then
            unknown+=("$suite")
        # shellcheck disable=SC2046 # one word for each
        elif ! git diff --quiet "$since" "$now" -- $(field Suite "$suite" Sources) "tests/real/$suite" \
            "tests/real/$suite.rs"; then
            open+=("$suite")
        fi
    done
    ((!${#open[@]})) || printf '\n== sources changed since these suites last passed: tests/run %s\n' "${open[*]}"
    ((!${#unknown[@]})) || printf '\n== no record of these suites: tests/run %s\n' "${unknown[*]}"
}
