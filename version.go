package taskhost

import "runtime/debug"

// Version is the version of this module in the running program, or "dev" where
// it was built from a checkout.
func Version() string {
	const path = "github.com/taskhost/taskhost"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, dep := range append(info.Deps, &info.Main) {
		if dep.Path == path && dep.Version != "" && dep.Version != "(devel)" {
			return dep.Version
		}
	}
	return "dev"
}
