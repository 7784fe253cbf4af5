# shellcheck shell=bash
# The handling of arguments that all scripts share. Sourced, not run, from the folder in which the script was called.

# allow_arguments "ALLOWED ..." "$@": for --help print the comment at the top of the script; refuse other arguments.
allow_arguments() {
    local allowed=" $1 " argument
    shift
    for argument in "$@"; do
        case $argument in
            -h | --help)
                usage
                exit 0
                ;;
        esac
        if [[ -z $argument || $allowed != *" $argument "* ]]; then
            echo "${0##*/}: unknown argument: $argument" >&2
            usage >&2
            exit 2
        fi
    done
}

usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}
