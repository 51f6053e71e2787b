package host_test

import "github.com/taskhost/taskhost/host/snapshot"

func methods() []string {
	return []string{string(snapshot.Scan), string(snapshot.Pagemap), string(snapshot.Discard), string(snapshot.Copy)}
}
