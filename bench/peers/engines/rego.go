package main

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
)

// newRego prepares `data.bench.allow` of a module, with the inputs already converted, as an embedder in a hurry would.
func newRego(module string, inputs []map[string]any) evaluator {
	ctx := context.Background()
	query, err := rego.New(rego.Query("data.bench.allow"), rego.Module("bench.rego", module)).PrepareForEval(ctx)
	must(err)
	values := make([]ast.Value, len(inputs))
	for i, input := range inputs {
		values[i], err = ast.InterfaceToValue(map[string]any{"object": input})
		must(err)
	}
	return func(i int) bool {
		results, err := query.Eval(ctx, rego.EvalParsedInput(values[i]))
		must(err)
		return results.Allowed()
	}
}
