# shellcheck shell=bash
# What the scripts in this directory have to know; they source it. It changes into the top of the checkout and sets:
#
#   top                  the checkout's path
#   version              the version in Cargo.toml
#   SOURCE_DATE_EPOCH    exported: the time that artefacts carry; default: the time of the commit, or of the newest
#                        entry of CHANGELOG.md where there is no repository
#   NAME, MAINTAINER...  from packaging/project.env
#
# A path from the caller is relative to the caller's directory: `path=$(path_of "$1")`.
unset CDPATH
export LC_ALL=C TZ=UTC
umask 022

# Variables of git name another repository, in a hook of one for example.
while IFS= read -r variable; do
    unset "$variable"
done < <(git rev-parse --local-env-vars 2>/dev/null || true)

from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
top=$PWD
# shellcheck source=SCRIPTDIR/project.env
. "$top/packaging/project.env"
# shellcheck disable=SC2034
version=$(sed -n '/^\[package\]/,/^\[dependencies\]/ s/^version = "\(.*\)"$/\1/p' Cargo.toml)

if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    if [[ $(git rev-parse --show-toplevel 2>/dev/null || true) == "$top" ]]; then
        SOURCE_DATE_EPOCH=$(git log -1 --no-show-signature --format=%ct)
    else
        SOURCE_DATE_EPOCH=$(date +%s \
            --date "$(grep -oE '^## \[[0-9.]+\] - [0-9-]+' CHANGELOG.md | head -n1 | cut -d' ' -f4)")
    fi
fi
export SOURCE_DATE_EPOCH

# fail CODE WORDS...: ends the script with a message.
fail() {
    local code=$1
    shift
    echo "${0##*/}: $*" >&2
    exit "$code"
}

# usage: prints the usage of the script's head comment and ends the script.
usage() {
    sed -n 's/^# \(usage:.*\)/\1/p' "$0" >&2
    exit 64
}

# path_of PATH: prints the absolute form of a path that the caller gave.
path_of() {
    (cd "$from" && realpath --canonicalize-missing -- "$1")
}

# empty_directory DIR: makes it; it must not hold anything yet.
empty_directory() {
    mkdir -p "$1"
    if [[ -n $(ls -A "$1") ]]; then
        fail 73 "$1 is not empty"
    fi
}

# artefact_name VARIANT: prints what the artefacts of a variant are called.
artefact_name() {
    case $1 in
        plain) echo "$NAME" ;;
        aws) echo "$NAME-aws" ;;
        *) fail 64 "$1 is not a variant: plain or aws" ;;
    esac
}

# processor_of BINARY: prints x86_64 or aarch64.
processor_of() {
    local machine
    machine=$(readelf --file-header --wide -- "$1" | sed -n 's/^ *Machine: *//p')
    case $machine in
        *X86-64*) echo x86_64 ;;
        AArch64) echo aarch64 ;;
        *) fail 65 "$1 is for the processor ${machine:-unknown}; releases are for x86_64 and aarch64" ;;
    esac
}

# same_time DIRECTORY: gives every file in it the time of the release.
same_time() {
    find "$1" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
}
