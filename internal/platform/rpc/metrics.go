package rpc

import (
	"connectrpc.com/connect"

	"github.com/bodega-hq/bodega/internal/platform/telemetry"
)

const procedures = "the procedures and HTTP patterns that this server has, and \"unknown\""

func codeValues() []string {
	values := []string{codeOK}
	for code := connect.CodeCanceled; code <= connect.CodeUnauthenticated; code++ {
		values = append(values, code.String())
	}
	return values
}

// The metrics of servers.
var (
	RequestsTotal = telemetry.Metric{
		Name: "bodega_rpc_requests_total",
		Help: "Requests that were answered, by how.",
		Labels: []telemetry.Label{
			{Name: "procedure", Of: procedures},
			{Name: "code", Values: codeValues()},
		},
	}
	RequestSeconds = telemetry.Metric{
		Name:   "bodega_rpc_request_duration_seconds",
		Help:   "Time from a request's headers to the end of its answer.",
		Labels: []telemetry.Label{{Name: "procedure", Of: procedures}},
	}
	RequestsInFlight = telemetry.Metric{
		Name: "bodega_rpc_requests_in_flight",
		Help: "Requests that are being answered now.",
	}
)

// The metrics of clients.
var (
	AttemptsTotal = telemetry.Metric{
		Name: "bodega_rpc_client_attempts_total",
		Help: "Attempts at calls, by how they ended. A call that was retried counts once for each attempt.",
		Labels: []telemetry.Label{
			{Name: "procedure", Of: "the procedures that this process calls"},
			{Name: "code", Values: codeValues()},
		},
	}
	RetriesTotal = telemetry.Metric{
		Name: "bodega_rpc_client_retries_total",
		Help: "Failed attempts that could have been retried, by what was decided.",
		Labels: []telemetry.Label{
			{Name: "decision", Values: []string{retried, overBudget, outOfAttempts, outOfTime, toldNotTo}},
		},
	}
	BreakerOpen = telemetry.Metric{
		Name:   "bodega_rpc_client_breaker_open",
		Help:   "1 while the circuit breaker of a target refuses calls, 0.5 while it lets a few through to see, else 0.",
		Labels: []telemetry.Label{{Name: "target", Of: "the addresses that this process is configured to call"}},
	}
)
