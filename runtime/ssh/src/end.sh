# Ends every process of one command: those that have its token in their environment, and those that came from any of them.
# Reads the token, and how many tenths of a second the polite signal has. Prints the processes that are left, or that nobody can know.
IFS= read -r token && read -r tenths || exit 1
[ -r /proc/self/environ ] || { echo unknown; exit 0; }

# Sets the state, the parent and the start of a process.
look() {
    { IFS= read -r line < "/proc/$1/stat"; } 2>/dev/null || return 1
    set -- ${line##*\) }
    state=$1 parent=$2 began=${20}
}

# Adds to `all` what belongs to the command, as PID:START.
gather() {
    for file in $(grep -lsF "RELRUN_COMMAND=$token" /proc/[0-9]*/environ); do
        pid=${file#/proc/} pid=${pid%/environ}
        case $all in *" $pid:"*) continue ;; esac
        look "$pid" && all="$all$pid:$began "
    done
    grew=yes
    while [ "$grew" ]; do
        grew=
        for dir in /proc/[0-9]*; do
            pid=${dir#/proc/}
            case $all in *" $pid:"*) continue ;; esac
            look "$pid" || continue
            case $all in *" $parent:"*) all="$all$pid:$began " grew=yes ;; esac
        done
    done
}

# Sets `left` to those that live.
alive() {
    left=
    for process in $all; do
        look "${process%%:*}" && [ "$began" = "${process#*:}" ] || continue
        case $state in Z | X) ;; *) left="$left ${process%%:*}" ;; esac
    done
    [ "$left" ]
}

# Ends this where nothing is left, what was started meanwhile among it.
done_with() {
    alive && return
    gather
    alive || exit 0
}

pause() {
    tenths=$((tenths - 1))
    sleep 0.1 2>/dev/null && return
    sleep 1
    tenths=$((tenths - 9))
}

all=" "
done_with
kill -TERM $left 2>/dev/null
while [ "$tenths" -gt 0 ]; do
    pause
    done_with
done
gather
alive || exit 0
kill -KILL $left 2>/dev/null
tenths=10
while [ "$tenths" -gt 0 ]; do
    pause
    done_with
    kill -KILL $left 2>/dev/null
done
for pid in $left; do
    name=
    { IFS= read -r name < "/proc/$pid/comm"; } 2>/dev/null
    echo "$pid $name"
done
