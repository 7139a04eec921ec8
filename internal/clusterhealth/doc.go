// Package clusterhealth is the cluster health operator: it says of a cluster
// whether it is healthy, and who broke it.
//
// The flow:
//
//	ClusterHealthSpec -> admission: valid, and its author may do what it does
//	                  -> controller.Reconciler: a ClusterHealthCheck per check
//	                  -> engine.Engine: runs each check at its time
//	                     -> check.Types: pods, HTTP, gRPC, logs, resources, ...
//	                     -> verdict: runs become a result, results the overall
//	                  -> controller.Writer: transitions at once, the rest in turn
//	standby replicas  -> controller.Watchdog: what ran out turns Unknown
//
// Only the leader runs checks, and a leader that loses its lease ends.
package clusterhealth
