package app

import "slices"

// role is a part of the system that a process can run by itself. This table
// is the architecture: what runs where.
type role struct {
	name string
	does string
}

// The roles.
const (
	roleAPI      = "api"
	roleWorker   = "worker"
	roleSchedule = "schedule"
	roleAll      = "all"
)

var roles = []role{
	{roleAPI, "answers RPCs, uploads and downloads, and serves the console"},
	{roleWorker, "runs the steps of workflows"},
	{roleSchedule, "sweeps for feeds that were never started, publishes menus, ends sales, expires rows"},
}

func roleNames() []string {
	names := []string{roleAll}
	for _, r := range roles {
		names = append(names, r.name)
	}
	return names
}

func (s *Settings) runs(name string) bool {
	return slices.Contains(s.Roles, roleAll) || slices.Contains(s.Roles, name)
}
