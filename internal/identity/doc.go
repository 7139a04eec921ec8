// Package identity knows who may use the marketplace: people, who sign in and
// get a session, and programs, which carry API tokens.
//
//	SignIn          throttle -> verify the password -> new session -> cookie
//	cookie          hash -> session and user -> auth.Caller
//	bearer token    id and hash -> token -> auth.Caller
//
// Only hashes of secrets are stored. Every request reads its session or token
// anew, so that signing out, disabling and revoking take effect at once. Users
// are shared by all tenants; which tenant a caller may choose follows from the
// role.
package identity
