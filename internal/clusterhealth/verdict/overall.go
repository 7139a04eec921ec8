package verdict

import (
	"fmt"
	"strings"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

// Member is one check as the overall status sees it.
type Member struct {
	Name    string
	Result  health.Result
	Message string
	// Fresh says that the result was obtained for the generation of the spec
	// that the overall status speaks of.
	Fresh bool
	// DependsOn are names of other members; those that do not exist are ignored.
	DependsOn []string
	// Maintenance is the name of the open window, if any.
	Maintenance string
}

// Summary is the overall status of a spec.
type Summary struct {
	Overall  health.Result
	Message  string
	Counts   health.Counts
	Culprits []health.Culprit
	// SuppressedBy has, for each member, the failed dependency that explains its
	// failure, or nothing.
	SuppressedBy []string
}

const (
	culpritsKept       = 10
	culpritMessageSize = 256
	messageSize        = 1024
)

// Overall is Failure if any member failed outside of maintenance; else Error or
// Unknown if any could not run or went stale; else Pending if any has yet to
// complete, waits, or fails in maintenance; Success only when every member
// succeeds for the current generation. No members at all is Pending.
func Overall(members []Member) Summary {
	sum := Summary{SuppressedBy: Suppressed(members), Overall: health.Success}
	sum.Counts.Total = int32(len(members))
	if len(members) == 0 {
		sum.Overall, sum.Message = health.Pending, "no checks"
		return sum
	}

	byResult := map[health.Result][]int{}
	for i, m := range members {
		counted := Counted(m)
		switch m.Result {
		case health.Success:
			if m.Fresh {
				sum.Counts.Success++
			} else {
				sum.Counts.Pending++
			}
		case health.Failure:
			sum.Counts.Failure++
		case health.Error:
			sum.Counts.Error++
		case health.Unknown:
			sum.Counts.Unknown++
		default:
			sum.Counts.Pending++
		}
		if m.Maintenance != "" {
			sum.Counts.Maintenance++
		}
		if sum.SuppressedBy[i] != "" {
			sum.Counts.Suppressed++
		}
		byResult[counted] = append(byResult[counted], i)
	}
	for _, result := range health.Results() {
		if len(byResult[result]) > 0 {
			sum.Overall = result
			break
		}
	}
	if sum.Overall == health.Success {
		sum.Message = fmt.Sprintf("all %d checks succeed", len(members))
		return sum
	}
	sum.blame(members, byResult[sum.Overall])
	return sum
}

// Counted is the result that a member counts as.
func Counted(m Member) health.Result {
	switch {
	case m.Result == "":
		return health.Pending
	case m.Maintenance != "" && m.Result != health.Success:
		return health.Pending
	case m.Result == health.Success && !m.Fresh:
		return health.Pending
	default:
		return m.Result
	}
}

func (sum *Summary) blame(members []Member, guilty []int) {
	var names []string
	explained := 0
	for _, i := range guilty {
		m := members[i]
		if sum.SuppressedBy[i] != "" {
			explained++
			continue
		}
		names = append(names, m.Name)
		if len(sum.Culprits) < culpritsKept {
			sum.Culprits = append(sum.Culprits, health.Culprit{
				Name: m.Name, Result: Counted(m), Message: Truncate(blameMessage(m), culpritMessageSize),
			})
		}
	}
	shown := names[:min(len(names), culpritsKept)]
	text := strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	verb := map[health.Result]string{
		health.Failure: "failed", health.Error: "could not run", health.Unknown: "went stale", health.Pending: "pending",
	}[sum.Overall]
	sum.Message = verb + ": " + text
	if explained > 0 {
		sum.Message += fmt.Sprintf(" (explaining %d more)", explained)
	}
	sum.Message = Truncate(sum.Message, messageSize)
}

func blameMessage(m Member) string {
	switch {
	case m.Maintenance != "" && m.Result != health.Success:
		return fmt.Sprintf("%s in maintenance window %s: %s", m.Result, m.Maintenance, m.Message)
	case m.Result == health.Success && !m.Fresh:
		return "has yet to run for the current generation of the spec"
	case m.Message == "" && m.Result == health.Pending:
		return "has yet to complete its first run"
	default:
		return m.Message
	}
}

// Suppressed finds, for each failed member, the failed dependency at the root
// of its failure. A member on a cycle of failed members explains nothing, so
// that a cycle cannot make everyone innocent; nor does one in maintenance, which
// is not blamed and could not be named instead.
func Suppressed(members []Member) []string {
	byName := make(map[string]int, len(members))
	hasDeps := false
	for i, m := range members {
		byName[m.Name] = i
		hasDeps = hasDeps || len(m.DependsOn) > 0
	}
	out := make([]string, len(members))
	if !hasDeps {
		return out
	}
	const (
		unseen = iota
		onPath
		done
	)
	color := make([]byte, len(members))
	root := make([]int, len(members)) // index of the root cause, itself if none
	var visit func(i int) int
	visit = func(i int) int {
		switch color[i] {
		case done:
			return root[i]
		case onPath:
			return -1
		}
		color[i] = onPath
		root[i] = i
		for _, dep := range members[i].DependsOn {
			j, ok := byName[dep]
			if !ok || j == i || members[j].Result != health.Failure {
				continue
			}
			if r := visit(j); r >= 0 && r != i && members[r].Maintenance == "" {
				root[i] = r
				break
			}
		}
		color[i] = done
		return root[i]
	}
	for i, m := range members {
		if m.Result != health.Failure {
			continue
		}
		if r := visit(i); r >= 0 && r != i {
			out[i] = members[r].Name
		}
	}
	return out
}
