package main

import (
	"github.com/cloudfoundry/bosh-cli/v7/director"
	"github.com/cloudfoundry/bosh-cli/v7/director/template"
	"github.com/cppforlife/go-patch/patch"
	"gopkg.in/yaml.v2"
)

// interpolate applies ops files and a variables file, all given as texts, to a text as `bosh interpolate` does.
func interpolate(_ director.Director, c command) (any, error) {
	ops := patch.Ops{}
	for _, text := range c.Ops {
		var definitions []patch.OpDefinition
		if err := yaml.Unmarshal([]byte(text), &definitions); err != nil {
			return nil, err
		}
		more, err := patch.NewOpsFromDefinitions(definitions)
		if err != nil {
			return nil, err
		}
		ops = append(ops, more)
	}
	variables := template.StaticVariables{}
	if err := yaml.Unmarshal([]byte(c.Vars), &variables); err != nil {
		return nil, err
	}
	opts := template.EvaluateOpts{ExpectAllKeys: c.AllKeys, ExpectAllVarsUsed: c.AllVars}
	if c.Path != "" {
		pointer, err := patch.NewPointerFromString(c.Path)
		if err != nil {
			return nil, err
		}
		opts.PostVarSubstitutionOp = patch.FindOp{Path: pointer}
		opts.UnescapedMultiline = true
	}
	text, err := template.NewTemplate([]byte(c.Text)).Evaluate(variables, ops, opts)
	return string(text), err
}
