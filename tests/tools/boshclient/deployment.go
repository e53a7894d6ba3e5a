package main

import (
	"strconv"

	"github.com/cloudfoundry/bosh-cli/v7/director"
)

// on makes an operation of what is asked of one deployment.
func on(ask func(director.Deployment, command) (any, error)) operation {
	return func(d director.Director, c command) (any, error) {
		if c.Context != "" {
			d = d.WithContext(c.Context)
		}
		deployment, err := d.FindDeployment(c.Deployment)
		if err != nil {
			return nil, err
		}
		return ask(deployment, c)
	}
}

type deploymentLine struct {
	Name        string   `json:"name"`
	CloudConfig string   `json:"cloud_config"`
	Releases    []string `json:"releases"`
	Stemcells   []string `json:"stemcells"`
	Teams       []string `json:"teams"`
}

func deployments(d director.Director, _ command) (any, error) {
	found, err := d.Deployments()
	lines := []deploymentLine{}
	for _, deployment := range found {
		line, err := deploymentLineOf(deployment)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, err
}

func deploymentLineOf(d director.Deployment) (deploymentLine, error) {
	line := deploymentLine{Name: d.Name()}
	var err error
	if line.CloudConfig, err = d.CloudConfig(); err != nil {
		return line, err
	}
	releases, err := d.Releases()
	if err != nil {
		return line, err
	}
	for _, r := range releases {
		line.Releases = append(line.Releases, r.Name()+"/"+r.Version().String())
	}
	stemcells, err := d.Stemcells()
	if err != nil {
		return line, err
	}
	for _, s := range stemcells {
		line.Stemcells = append(line.Stemcells, s.Name()+"/"+s.Version().String())
	}
	line.Teams, err = d.Teams()
	return line, err
}

// deploy sends the manifest; confirmed asks for the difference first and deploys what it was made from.
func deploy(d director.Director, c command) (any, error) {
	if c.Context != "" {
		d = d.WithContext(c.Context)
	}
	deployment, err := d.FindDeployment(c.Deployment)
	if err != nil {
		return nil, err
	}
	opts := director.UpdateOpts{
		Recreate: c.Recreate, Fix: c.Fix, Canaries: c.Canaries, MaxInFlight: c.MaxInFlight, DryRun: c.DryRun,
		RecreatePersistentDisks: c.NewDisks,
	}
	if c.SkipDrain {
		opts.SkipDrain = director.SkipDrains{{All: true}}
	}
	if c.Confirmed {
		if opts.Diff, err = deployment.Diff([]byte(c.Text), false); err != nil {
			return nil, err
		}
	}
	return opts.Diff.Diff, deployment.Update([]byte(c.Text), opts)
}

func target(c command) (director.AllOrInstanceGroupOrInstanceSlug, error) {
	return director.NewAllOrInstanceGroupOrInstanceSlugFromString(c.Target)
}

func start(d director.Deployment, c command) (any, error) {
	slug, err := target(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Start(slug, director.StartOpts{Canaries: c.Canaries, MaxInFlight: c.MaxInFlight, Converge: c.Converge})
}

func stop(d director.Deployment, c command) (any, error) {
	slug, err := target(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Stop(slug, director.StopOpts{
		Canaries: c.Canaries, MaxInFlight: c.MaxInFlight, SkipDrain: c.SkipDrain, Hard: c.Hard, Converge: c.Converge,
	})
}

func restart(d director.Deployment, c command) (any, error) {
	slug, err := target(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Restart(slug, director.RestartOpts{
		Canaries: c.Canaries, MaxInFlight: c.MaxInFlight, SkipDrain: c.SkipDrain, Converge: c.Converge,
	})
}

func recreate(d director.Deployment, c command) (any, error) {
	slug, err := target(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Recreate(slug, director.RecreateOpts{
		Canaries: c.Canaries, MaxInFlight: c.MaxInFlight, Fix: c.Fix, SkipDrain: c.SkipDrain, DryRun: c.DryRun,
		Converge: c.Converge,
	})
}

func ignore(d director.Deployment, c command) (any, error) {
	slug, err := target(c)
	if err != nil {
		return nil, err
	}
	return nil, d.Ignore(director.NewInstanceSlug(slug.Name(), slug.IndexOrID()), c.Enabled)
}

func logs(d director.Deployment, c command) (any, error) {
	slug, err := target(c)
	if err != nil {
		return nil, err
	}
	kinds := c.Type
	if kinds == "" {
		kinds = "job"
	}
	return d.FetchLogs(slug, c.Filters, kinds)
}

func runErrand(d director.Deployment, c command) (any, error) {
	slugs := []director.InstanceGroupOrInstanceSlug{}
	for _, text := range c.Targets {
		slug, err := director.NewInstanceGroupOrInstanceSlugFromString(text)
		if err != nil {
			return nil, err
		}
		slugs = append(slugs, slug)
	}
	return d.RunErrand(c.Name, c.KeepAlive, c.WhenChanged, slugs)
}

// resolve answers problems by id; null is the default resolution of each.
func resolve(d director.Deployment, c command) (any, error) {
	answers := []director.ProblemAnswer{}
	for key, name := range c.Resolutions {
		id, err := strconv.Atoi(key)
		if err != nil {
			return nil, err
		}
		answers = append(answers, director.ProblemAnswer{
			ProblemID: id, Resolution: director.ProblemResolution{Name: name},
		})
	}
	return nil, d.ResolveProblems(answers, c.Limits)
}
