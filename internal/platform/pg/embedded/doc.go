// Package embedded runs the PostgreSQL server that bodega starts and stops
// itself, under its own data folder and for itself alone.
//
// The server is a child process that ends with its parent, however the parent
// ends. It listens on a unix socket only, in a folder of its own, and lets in
// only the operating-system user that runs bodega. As root, bodega runs it as
// an unprivileged user, since PostgreSQL refuses to be root.
//
// Inside Config.DataDir:
//
//	lock   held while a bodega uses the folder; names that bodega's process
//	data   PostgreSQL's own data folder (PGDATA)
package embedded
