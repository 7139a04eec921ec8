// Package pg is how every system reaches its database: a pool, transactions
// that retry, numbered migrations, row expiry, bulk load, and one pool per
// tenant.
//
// The dialect is PostgreSQL's, in the part that CockroachDB also speaks.
// Nothing here uses LISTEN/NOTIFY, advisory locks, temporary tables, triggers,
// sequences or UNLOGGED tables.
//
// # Migrations
//
// [Migrate] is our own rather than goose's for three reasons. goose keeps no
// checksum, so an edited file that some databases have already run goes
// unseen. Its version table has an identity column, which is a sequence, and
// its locks for concurrent runs are advisory locks or a lease table that needs
// a clock. And it wants a database/sql handle of its own for every schema. What
// is left once those are set aside, reading numbered files in order, is short.
package pg
