// Package faults kills the real server, a binary of its own with an embedded
// PostgreSQL and Temporal, and checks what is left when it runs again. It
// links neither.
//
// `make test-faults` runs it: the tests build only with the tag faults, and so
// does the binary that they drive (package internal/platform/crash).
package faults
