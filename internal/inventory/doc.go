// Package inventory turns merchants' feeds into a correct, current menu for
// each store, and says of every item why it is, or is not, shown.
//
// The flow of a feed:
//
//	submit     the raw bytes are durable before the sender gets the feed's id
//	splitFeed  rows become one segment per store, sorted by item
//	plan       what a full file leaves out, and whether a person must agree
//	apply      chunk by chunk: judge rows, merge what changed, write the ledger
//	           row and the outbox row that names the before/after object
//	publish    the store's menu is made anew and one pointer flips to it
//	finish     the account closes: every row that was read has one outcome
//
// A fence per store serializes all writes to its items. Everything else that
// changes an item (the catalogue, a price setting, a signal of a shopper, a
// person's decision, the clock) goes through apply too, as a unit of work of
// its own with ledger and outbox.
package inventory
