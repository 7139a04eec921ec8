// Package rpc assembles the server that every system's handlers run on, and
// holds the one policy by which clients call it.
//
// A request passes, in this order: a request id, recovery from panics, the
// access log and the metrics, the cap on its deadline, authentication, the
// permission, the tenant; then Connect decodes it, protovalidate checks it,
// and the handler runs. Everything up to the tenant happens before a byte of
// the body is read, so that nobody uploads what they may not send. On the way
// back the error's kind becomes a Connect code.
//
// Plain HTTP routes (uploads, downloads, the console) pass the same way.
package rpc
