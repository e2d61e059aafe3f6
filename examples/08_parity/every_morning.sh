#!/bin/sh
# Compares the last day of both queues, and keeps what was found. In a crontab:
#
#     15 6 * * *  /srv/app/every_morning.sh /srv/app/parity.env
#
# Its exit codes are those of `supaqueue parity check`: 0 pass, 1 differences, 2 too little is known, 3 it could
# not run, which is also what it says if the run of another day has not ended.
set -eu
umask 077

answered=
trap '[ -n "$answered" ] || exit 3' EXIT # whatever goes wrong here is no answer: not 1, and not 2

could_not_run() {
    echo "parity could not run: $1" >&2
    exit 3
}

# Cron gives a command next to no environment: all that is needed stands in this file.
[ -r "${1-}" ] || could_not_run "usage: every_morning.sh FILE, with the settings in it"
case $1 in */*) settings=$1 ;; *) settings=./$1 ;; esac
set -a
. "$settings"
set +a
[ -n "${PARITY_FOLDER-}" ] || could_not_run "PARITY_FOLDER is not set in $1"
command -v supaqueue > /dev/null || could_not_run "there is no supaqueue in the PATH of $1"

mkdir -p "$PARITY_FOLDER"
exec 9> "$PARITY_FOLDER/lock"
flock -n 9 || could_not_run "another run has not ended"

# An hour more than a day: cron is not punctual, and no job shall fall between two mornings.
name=$PARITY_FOLDER/$(date -u +%Y-%m-%dT%H-%M-%SZ)
code=0
# PARITY_OPTIONS stands without quotes, since it may be several words.
supaqueue parity check --since "${PARITY_SINCE:-25h}" ${PARITY_OPTIONS-} --json \
    > "$name.part" 2> "$name.log" || code=$?

case $code in
0 | 1 | 2)
    ln "$name.part" "$name.json" # fails if it is there: evidence is not written over
    rm "$name.part"
    summary=$(python3 - "$name.json" << 'END'
import json, sys

report = json.load(open(sys.argv[1]))
found = report["verdict"]
print(
    f"parity: {found['answer']}: {found['different']} of {found['compared']} jobs differ, rate at most"
    f" {found['upper_bound']:.2%}, declared {found['declared_bound']:.2%}"
)
END
    )
    ;;
*)
    code=3
    rm "$name.part"
    summary="parity: could not run: $(tail -n 1 "$name.log")"
    ;;
esac
[ -s "$name.log" ] || rm "$name.log"

echo "$summary"
if [ -n "${PARITY_TELL-}" ]; then
    echo "$summary" | PARITY_CODE=$code PARITY_REPORT=$name.json sh -c "$PARITY_TELL" 9>&- \
        || echo "parity: nobody was told: PARITY_TELL failed" >&2
fi
answered=yes
exit "$code"
