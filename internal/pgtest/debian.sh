# Run by Install in install.go: installs the newest server that Debian or Ubuntu
# has, without the cluster that the package would make and start on port 5432.
# The setting for that is only there meanwhile.
set -e
export DEBIAN_FRONTEND=noninteractive
conf=/etc/postgresql-common/createcluster.d/taskhost-tests.conf
mkdir -p "${conf%/*}"
trap 'rm -f "$conf"; rmdir -p --ignore-fail-on-non-empty "${conf%/*}"' EXIT
trap 'exit 130' HUP INT TERM # and not before EXIT has run
echo 'create_main_cluster = false' >"$conf"
install() { apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends postgresql; }
install || { apt-get update && install; } # without update, there may be no list, or an old one
