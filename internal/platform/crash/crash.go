// Package crash ends the process at a chosen durable write, so that a test
// can see what is left of the work and whether it goes on from there. The
// seams that make writes durable, the bucket's and the database's, call it;
// what is written above them is covered without a word about it.
//
// It does something only in a binary built with the tag faults, which nothing
// but the fault tests builds. That binary reads:
//
//	BODEGA_CRASH_LOG   file to which each write is added, one line before it
//	                   is made ("before N NAME") and one after ("after N NAME")
//	BODEGA_CRASH_FROM  writes count from the first whose name holds this text
//	BODEGA_CRASH_AT    "before:N:PATTERN" or "after:N:PATTERN": kill the process
//	                   with SIGKILL before the Nth write is made whose whole
//	                   name the regular expression matches, or once it is
//	                   durable and before its caller knows. A name rather than
//	                   a mere number, as background work writes in between
package crash
