// Package v1alpha1 is the API of the cluster health operator: a
// ClusterHealthSpec says what must hold for a cluster to be healthy, and a
// ClusterHealthCheck per check says whether it does.
//
// The overall status of a ClusterHealthSpec and the fields Result, Message and
// ValidUntil of a ClusterHealthCheck are the contract that other systems read.
//
// +kubebuilder:object:generate=true
// +groupName=health.bodega.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "health.bodega.dev", Version: "v1alpha1"}

// AddToScheme registers the types of this package.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&ClusterHealthSpec{}, &ClusterHealthSpecList{},
		&ClusterHealthCheck{}, &ClusterHealthCheckList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
