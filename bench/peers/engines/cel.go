package main

import (
	"runtime/debug"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
	"k8s.io/apiserver/pkg/cel/library"
)

// The environment of Kubernetes' admission policies as far as the cases need it: object is dyn, with quantities.
func celEnvironment() *cel.Env {
	env, err := cel.NewEnv(cel.Variable("object", cel.DynType), cel.OptionalTypes(), ext.Strings(ext.StringsVersion(2)), library.Quantity(), library.Lists())
	must(err)
	return env
}

var environment = celEnvironment()

// compileCEL makes a program as the API server does; withCost tracks the actual cost with its limit of 1,000,000.
func compileCEL(source string, withCost bool) cel.Program {
	ast, issues := environment.Compile(source)
	must(issues.Err())
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if withCost {
		options = append(options, cel.EvalOptions(cel.OptOptimize, cel.OptTrackCost), cel.CostTracking(&library.CostEstimator{}), cel.CostLimit(1_000_000))
	}
	program, err := environment.Program(ast, options...)
	must(err)
	return program
}

func newCEL(source string, inputs []map[string]any, withCost bool) evaluator {
	program := compileCEL(source, withCost)
	activations := make([]map[string]any, len(inputs))
	for i, input := range inputs {
		activations[i] = map[string]any{"object": integers(input)}
	}
	return func(i int) bool {
		value, _, err := program.Eval(activations[i])
		must(err)
		return value.Value() == true
	}
}

// integers turns integral JSON numbers into int64, as Kubernetes' decoder does.
func integers(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, item := range v {
			v[key] = integers(item)
		}
	case []any:
		for i, item := range v {
			v[i] = integers(item)
		}
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return value
}

// versions reads the modules that this binary was built from.
func versions() map[string]string {
	found := map[string]string{}
	info, _ := debug.ReadBuildInfo()
	found["Go"] = info.GoVersion
	for _, module := range info.Deps {
		for _, wanted := range []string{"google/cel-go", "open-policy-agent/opa", "k8s.io/apiserver"} {
			if strings.HasSuffix(module.Path, wanted) {
				found[wanted] = module.Version
			}
		}
	}
	return found
}
