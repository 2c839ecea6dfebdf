// Command engines evaluates the benchmark's expressions with Go's policy engines on request.
//
// It reads one JSON request per line and answers with one JSON line:
//
//	{"op":"load","inputs":[…],"cases":[{"name","cel","rego"}]}   → {"versions":{…}}
//	{"op":"run","engine":"cel-go","case":"e1","iterations":N}    → {"cpuNs":…,"trues":…}
//	{"op":"compile","engine":"cel-go","sources":[…]}             → {"cpuNs":…}
//
// Times are CPU time of the whole process, so that the collector's work counts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"syscall"
)

type benchCase struct {
	Name string `json:"name"`
	CEL  string `json:"cel"`
	Rego string `json:"rego"`
}

type request struct {
	Op         string           `json:"op"`
	Engine     string           `json:"engine"`
	Case       string           `json:"case"`
	Iterations int              `json:"iterations"`
	Inputs     []map[string]any `json:"inputs"`
	Cases      []benchCase      `json:"cases"`
	Sources    []string         `json:"sources"`
}

// An evaluator judges input number i and says whether it passed.
type evaluator func(i int) bool

func cpuNs() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func main() {
	evaluators := map[string]evaluator{}
	var inputCount int
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(make([]byte, 1<<20), 1<<28)
	out := json.NewEncoder(os.Stdout)
	for scanner.Scan() {
		var req request
		if err := json.Unmarshal(scanner.Bytes(), &req); err != nil {
			panic(err)
		}
		switch req.Op {
		case "load":
			inputCount = len(req.Inputs)
			for _, c := range req.Cases {
				evaluators["cel-go/"+c.Name] = newCEL(c.CEL, req.Inputs, false)
				evaluators["cel-go with cost/"+c.Name] = newCEL(c.CEL, req.Inputs, true)
				evaluators["OPA/"+c.Name] = newRego(c.Rego, req.Inputs)
			}
			must(out.Encode(map[string]any{"versions": versions()}))
		case "run":
			evaluate, known := evaluators[req.Engine+"/"+req.Case]
			if !known {
				panic(fmt.Sprintf("no such evaluator: %s/%s", req.Engine, req.Case))
			}
			trues := 0
			start := cpuNs()
			for i := range req.Iterations {
				if evaluate(i % inputCount) {
					trues++
				}
			}
			must(out.Encode(map[string]any{"cpuNs": cpuNs() - start, "trues": trues}))
		case "compile":
			start := cpuNs()
			for _, source := range req.Sources {
				compileCEL(source, true)
			}
			must(out.Encode(map[string]any{"cpuNs": cpuNs() - start}))
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
