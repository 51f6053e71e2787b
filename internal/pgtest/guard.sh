# Run by guard in process_unix.go: ends the server and removes its folder, $1,
# once the process that started it is gone.
while read -r _; do :; done
sleep 1 # the server may be about to write its number
signal=INT
tries=0
while { read -r pid <"$1/data/postmaster.pid"; } 2>/dev/null && kill -"$signal" "$pid" 2>/dev/null; do
	tries=$((tries + 1))
	case $tries in
	50) signal=QUIT ;;
	100) signal=KILL ;;
	150) break ;;
	esac
	sleep 0.1
done
rm -rf -- "$1" || { sleep 1 && rm -rf -- "$1"; }
