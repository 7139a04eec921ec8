package rpc

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	authv1 "github.com/bodega-hq/bodega/gen/bodega/auth/v1"
	"github.com/bodega-hq/bodega/internal/platform/auth"
)

// Method is one RPC or one HTTP route, as the server admits it.
type Method struct {
	// Procedure is "/bodega.inventory.v1.FeedService/GetFeed", or the pattern
	// of an HTTP route such as "PUT /v1/feeds".
	Procedure  string
	Permission auth.Permission
	// SideEffectFree calls need no CSRF token and may be repeated.
	SideEffectFree bool
	ClientStream   bool
	ServerStream   bool
	// HTTP is a route that is no RPC.
	HTTP bool
}

// MethodsOf reads the methods of a service, such as
// "bodega.inventory.v1.FeedService", and their permissions from its
// descriptor. A method that names no permission, or one that does not exist,
// is an error.
func MethodsOf(service string) ([]Method, error) {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", service, err)
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("service %s: the name is that of another thing", service)
	}
	var methods []Method
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		options, _ := md.Options().(*descriptorpb.MethodOptions)
		permission, _ := proto.GetExtension(options, authv1.E_Permission).(string)
		m := Method{
			Procedure:      "/" + service + "/" + string(md.Name()),
			Permission:     auth.Permission(permission),
			SideEffectFree: options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS,
			ClientStream:   md.IsStreamingClient(),
			ServerStream:   md.IsStreamingServer(),
		}
		if permission == "" {
			return nil, fmt.Errorf("%s names no permission: set the option bodega.auth.v1.permission", m.Procedure)
		}
		if err := checkPermission(m); err != nil {
			return nil, err
		}
		methods = append(methods, m)
	}
	return methods, nil
}

func checkPermission(m Method) error {
	if m.Permission == auth.Public || m.Permission == auth.AnySession || auth.Describe(m.Permission) != "" {
		return nil
	}
	return fmt.Errorf("%s needs the permission %q, which does not exist: name it in the table of package auth", m.Procedure, m.Permission)
}

func serviceOf(path string) string { return strings.Trim(path, "/") }
