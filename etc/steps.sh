# shellcheck shell=bash disable=SC2034,SC2154
# What ./run and ./check share: which Debian packages there are to install, and how to build. Sourced; $top is the top directory.

# An entry package/command is satisfied by the command too, wherever it comes from.
packages_build=(gcc make autoconf automake pkg-config libpq-dev libssl-dev libinih-dev libidn-dev libxxhash-dev libev-dev
    libmicrohttpd-dev libcjson-dev uthash-dev)
packages_postgres=(postgresql)
packages_check=(libcriterion-dev libpg-query-dev clang shellcheck cppcheck groff-base/groff mandoc prometheus jq)
# The real clients of tests/clients.
packages_clients=(postgresql-client/psql python3-psycopg2 python3-psycopg python3-asyncpg libdbd-pg-perl ruby-pg php-cli php-pgsql
    python3-django python3-sqlalchemy python3-greenlet ruby-activerecord php-illuminate-database
    prometheus-pgbouncer-exporter default-jdk-headless/javac libpostgresql-jdbc-java nodejs/node npm/npm)
# make bench compares with it.
packages_bench=(pgbouncer)

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

say() {
    echo "== $*"
}

# install_packages NAME... : those that are missing, if this user may.
install_packages() {
    local name missing=() as_root=()
    for name in "$@"; do
        if [[ $name == */* ]] && command -v "${name#*/}" >/dev/null; then continue; fi
        name=${name%/*}
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    local by_hand="apt-get install -y --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null || die "this is no Debian; it needs what these Debian packages hold: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
            die "packages are missing and this user may not install them. As root: $by_hand"
        fi
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    "${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null || say "apt-get update failed; trying with the old lists"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install -y \
        --no-install-recommends "${missing[@]}" >/dev/null || die "could not install. By hand, as root: $by_hand"
}

# configure_tree DIRECTORY SWITCH... : make the build directory, or bring it up to date when the switches changed.
configure_tree() {
    local directory=$1 file
    shift
    for file in configure.ac Makefile.am; do
        if [ ! -x "$top/configure" ] || [ ! -f "$top/Makefile.in" ] || [ "$top/$file" -nt "$top/Makefile.in" ]; then
            (cd "$top" && autoreconf -fi >/dev/null) || die "autoreconf failed"
            break
        fi
    done
    mkdir -p "$directory"
    if [ ! -f "$directory/Makefile" ] || [ "$(cat "$directory/switches" 2>/dev/null)" != "$*" ]; then
        (cd "$directory" && "$top/configure" -q "$@") || die "configure failed; see $directory/config.log"
        echo "$*" >"$directory/switches"
    fi
}

# build_tree DIRECTORY TARGET...
build_tree() {
    local directory=$1
    shift
    make -C "$directory" -s -j "$(nproc)" "$@" || die "the build failed in $directory"
}
