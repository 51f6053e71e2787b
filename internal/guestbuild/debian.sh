# Run by Install in install.go, with the packages to install for its arguments.
set -e
export DEBIAN_FRONTEND=noninteractive
install() { apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"; }
install "$@" || { apt-get update && install "$@"; } # without update, there may be no list, or an old one
