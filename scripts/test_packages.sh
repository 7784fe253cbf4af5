# shellcheck shell=bash
# The system and npm packages of the tests and the drills, and their installation. Sourced, not run, in the project's
# folder.
PATH="$PATH:/usr/sbin"
# package -> a command that it contains
declare -A needed=(
    [mariadb-server]=mariadbd [redis-server]=redis-server [nginx]=nginx
    [chromium]=chromium [nodejs]=node [npm]=npm [systemd]=systemd-analyze [openssl]=openssl
    [faketime]=faketime
    [prometheus]=promtool [prometheus-alertmanager]=prometheus-alertmanager
    [prometheus-redis-exporter]=prometheus-redis-exporter [prometheus-mysqld-exporter]=prometheus-mysqld-exporter
)

install_system_packages() {
    local package missing=()
    for package in "${!needed[@]}"; do
        command -v "${needed[$package]}" >/dev/null || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        return
    fi
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "System packages of the tests are missing: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "Installing the system packages ${missing[*]} (some minutes) ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Install the official JavaScript client as pinned in the lock file, if the file has changed since the last time.
install_npm_packages() {
    local stamp=tests/npm/node_modules/.stamp wanted
    wanted="$(sha256sum <tests/npm/package-lock.json)"
    if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
        echo "Installing the npm packages of the tests ..."
        (cd tests/npm && npm ci --no-audit --no-fund --loglevel=error)
        echo "$wanted" >"$stamp"
    fi
}
