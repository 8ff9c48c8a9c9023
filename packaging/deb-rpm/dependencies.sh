# shellcheck shell=bash
# What a program needs of the system, as the dependencies of a deb and of an rpm; packaging/packages sources this.

# versions_needed BINARY: a line `LIBRARY VERSION` for each version of symbols, and `LIBRARY` for each library.
versions_needed() {
    readelf --dynamic --wide -- "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p'
    readelf --version-info --wide -- "$1" | awk '
        /^Version needs section/ { needs = 1; next }
        /^Version (definition|symbols) section/ { needs = 0 }
        needs && /File: / { sub(/.*File: /, ""); file = $1 }
        needs && /Name: / { sub(/.*Name: /, ""); print file, $1 }'
}

# newest PREFIX: of lines of versions_needed, the newest version that begins so.
newest() {
    { grep -oE " $1[0-9.]+$" || true; } | sed "s/^ $1//" | sort -V | tail -n1
}

# deb_dependencies BINARY: one dependency in a line.
deb_dependencies() {
    local needed library
    needed=$(versions_needed "$1")
    while read -r library _; do
        case $library in
            libc.so.6 | libm.so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | libutil.so.1 | ld-linux-*) ;;
            libgcc_s.so.1) ;;
            *) fail 70 "the program needs $library: say in ${BASH_SOURCE[0]} which package has it" ;;
        esac
    done <<<"$needed"
    echo "libc6 (>= $(newest GLIBC_ <<<"$needed"))"
    if grep -q '^libgcc_s\.so\.1' <<<"$needed"; then
        # as Debian's table of symbols has it: GCC_4.2.0 came with 4.2, and all others are older than any Debian
        echo "libgcc-s1 (>= $(newest GCC_ <<<"$needed" | sed -E 's/^([0-9]+\.[0-9]+)\.0$/\1/'))"
    fi
}

# rpm_dependencies BINARY: one dependency in a line, in the form of rpm's own generator.
rpm_dependencies() {
    versions_needed "$1" | while read -r library symbols; do
        echo "$library($symbols)(64bit)"
    done | sort -u
    echo 'rtld(GNU_HASH)'
}
