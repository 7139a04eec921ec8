package auth

import (
	"maps"
	"slices"

	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// Permission is something that a caller may do, named
// <system>.<noun>.<verb>.
type Permission string

// Two values of the proto option are not permissions: nobody has to sign in
// for Public, and everybody who did may call AnySession.
const (
	Public     Permission = "public"
	AnySession Permission = "session"
)

// Role is what a person or a program is to the marketplace.
type Role string

// The roles.
const (
	RoleMerchant Role = "merchant" // a merchant's own user: sees and changes that merchant alone
	RoleOperator Role = "operator" // runs the marketplace day to day
	RoleSupport  Role = "support"  // answers cases
	RoleFinance  Role = "finance"  // signs variances
	RoleEngineer Role = "engineer" // runs platforms and clusters
	RoleAdmin    Role = "admin"    // may do everything
	RoleService  Role = "service"  // a program's token without a person behind it
)

// descriptions names every permission that exists and what it lets its holder
// do. The admin holds all of them.
var descriptions = map[Permission]string{
	"identity.token.read":      "list API tokens",
	"identity.token.write":     "make and revoke API tokens",
	"identity.user.read":       "list users",
	"identity.user.write":      "make users",
	"inventory.catalog.write":  "load the catalogue that all merchants share",
	"inventory.feed.read":      "see feeds, their accounts and their rejected rows",
	"inventory.feed.submit":    "send feeds and cancel them",
	"inventory.hold.decide":    "approve or refuse what the guards hold",
	"inventory.hold.read":      "see what the guards hold",
	"inventory.item.read":      "search items and read their stories",
	"inventory.item.write":     "change items by hand",
	"inventory.mapping.read":   "read mapping profiles",
	"inventory.mapping.write":  "apply mapping profiles",
	"inventory.menu.read":      "read menus",
	"inventory.merchant.read":  "see merchants and stores",
	"inventory.merchant.write": "make merchants and stores",
	"inventory.settings.write": "change how prices are computed, and when they are held",
	"inventory.signal.report":  "report what shoppers found on the shelf",
}

// grants is what each role holds. RoleAdmin is filled from descriptions.
var grants = map[Role][]Permission{
	RoleMerchant: {
		"inventory.feed.read", "inventory.feed.submit", "inventory.hold.read",
		"inventory.item.read", "inventory.item.write", "inventory.mapping.read",
		"inventory.menu.read", "inventory.merchant.read",
	},
	RoleOperator: {
		"inventory.catalog.write", "inventory.feed.read", "inventory.feed.submit",
		"inventory.hold.decide", "inventory.hold.read", "inventory.item.read",
		"inventory.item.write", "inventory.mapping.read", "inventory.mapping.write",
		"inventory.menu.read", "inventory.merchant.read", "inventory.merchant.write",
		"inventory.settings.write", "inventory.signal.report",
	},
	RoleSupport: {
		"inventory.feed.read", "inventory.hold.read", "inventory.item.read",
		"inventory.mapping.read", "inventory.menu.read", "inventory.merchant.read",
	},
	RoleFinance: {
		"inventory.feed.read", "inventory.item.read", "inventory.menu.read",
		"inventory.merchant.read",
	},
	RoleEngineer: {
		"inventory.feed.read", "inventory.hold.read", "inventory.item.read",
		"inventory.mapping.read", "inventory.menu.read", "inventory.merchant.read",
	},
	RoleAdmin: slices.Sorted(maps.Keys(descriptions)),
	// The catalogue is everybody's, so that a program that may be bound to one
	// merchant does not load it.
	RoleService: {
		"inventory.feed.read", "inventory.feed.submit", "inventory.item.read",
		"inventory.item.write", "inventory.mapping.read", "inventory.menu.read",
		"inventory.merchant.read", "inventory.signal.report",
	},
}

// choosesTenant names the roles that may ask for another tenant than the
// default. A merchant's users never see anything but the default.
var choosesTenant = []Role{RoleOperator, RoleSupport, RoleFinance, RoleEngineer, RoleAdmin, RoleService}

// Roles lists every role.
func Roles() []Role {
	return []Role{RoleMerchant, RoleOperator, RoleSupport, RoleFinance, RoleEngineer, RoleAdmin, RoleService}
}

// AllPermissions lists every permission that exists, sorted.
func AllPermissions() []Permission { return slices.Sorted(maps.Keys(descriptions)) }

// Describe says what a permission lets its holder do; empty for one that does
// not exist.
func Describe(p Permission) string { return descriptions[p] }

// PermissionsOf lists what a role holds, sorted.
func PermissionsOf(r Role) []Permission {
	held := slices.Clone(grants[r])
	slices.Sort(held)
	return held
}

// TenantsOf lists the tenants of an installation that a role may choose.
func TenantsOf(r Role, set tenant.Set) []tenant.ID {
	if slices.Contains(choosesTenant, r) {
		return set.IDs()
	}
	return []tenant.ID{set.Default()}
}
