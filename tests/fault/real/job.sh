#!/bin/sh
# A job that keeps a ledger: runs its payload as a script between two lines that say when
# it began and ended. A process of an earlier attempt that still lives is a `rival`.
#
#   job.sh FOLDER
folder=$1
mine=$folder/pids.$GANGER_JOB_ID

note()
{
    printf '%s %s %s %s %s %s\n' "$1" "$GANGER_JOB_ID" "$GANGER_ATTEMPT" \
        "$GANGER_FENCE" "$$" "${2:--}" >>"$folder/ledger"
}

look_for_rivals()
{
    while read -r pid; do
        if read -r state </proc/"$pid"/stat; then
            state=${state##*) }
            case ${state%% *} in
            Z | X) ;;
            *) note rival "$pid" ;;
            esac
        fi
    done <"$mine"
} 2>/dev/null

if [ -e "$mine" ]; then
    look_for_rivals
fi
printf '%s\n' "$$" >>"$mine"
note start
script=$(cat)
eval "$script"
note end
