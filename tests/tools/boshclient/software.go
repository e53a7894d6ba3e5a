package main

import (
	"github.com/cloudfoundry/bosh-cli/v7/director"
	"gopkg.in/yaml.v2"
)

type releaseLine struct {
	Name     string             `json:"name"`
	Version  string             `json:"version"`
	Deployed bool               `json:"deployed"`
	Commit   string             `json:"commit"`
	Jobs     []director.Job     `json:"jobs,omitempty"`
	Packages []director.Package `json:"packages,omitempty"`
}

func releases(d director.Director, _ command) (any, error) {
	found, err := d.Releases()
	lines := []releaseLine{}
	for _, r := range found {
		lines = append(lines, lineOf(r))
	}
	return lines, err
}

func lineOf(r director.Release) releaseLine {
	return releaseLine{
		Name: r.Name(), Version: r.Version().String(), Deployed: r.VersionMark("*") == "*", Commit: r.CommitHashWithMark("+"),
	}
}

func release(d director.Director, c command) (any, error) {
	found, err := d.FindRelease(director.NewReleaseSlug(c.Name, c.Version))
	if err != nil {
		return nil, err
	}
	line := lineOf(found)
	if line.Jobs, err = found.Jobs(); err != nil {
		return nil, err
	}
	line.Packages, err = found.Packages()
	return line, err
}

// hasRelease asks for a name and version, or for those of the archive at path.
func hasRelease(d director.Director, c command) (any, error) {
	name, version := c.Name, c.Version
	if c.Path != "" {
		info, err := archiveInfo(c.Path)
		if err != nil {
			return nil, err
		}
		name, version = info.Name, info.Version
	}
	return d.HasRelease(name, version, stemcellOf(c))
}

func deleteRelease(d director.Director, c command) (any, error) {
	if c.Version == "" {
		series, err := d.FindReleaseSeries(director.NewReleaseSeriesSlug(c.Name))
		if err != nil {
			return nil, err
		}
		return nil, series.Delete(c.Force)
	}
	found, err := d.FindRelease(director.NewReleaseSlug(c.Name, c.Version))
	if err != nil {
		return nil, err
	}
	return nil, found.Delete(c.Force)
}

func matchPackages(d director.Director, c command) (any, error) {
	var manifest any
	if err := yaml.Unmarshal([]byte(c.Text), &manifest); err != nil {
		return nil, err
	}
	return d.MatchPackages(manifest, c.Type == "compiled")
}

type stemcellLine struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	OS       string `json:"os"`
	CID      string `json:"cid"`
	CPI      string `json:"cpi"`
	Deployed bool   `json:"deployed"`
}

func stemcells(d director.Director, _ command) (any, error) {
	found, err := d.Stemcells()
	lines := []stemcellLine{}
	for _, s := range found {
		lines = append(lines, stemcellLine{
			Name: s.Name(), Version: s.Version().String(), OS: s.OSName(), CID: s.CID(), CPI: s.CPI(),
			Deployed: s.VersionMark("*") == "*",
		})
	}
	return lines, err
}

type cleanUpLine struct {
	Releases  []string `json:"releases"`
	Stemcells []string `json:"stemcells"`
	Disks     []string `json:"disks"`
}

// cleanUp tells what a dry run would delete; a real one tells nothing.
func cleanUp(d director.Director, c command) (any, error) {
	found, err := d.CleanUp(c.All, c.DryRun, c.KeepDisks)
	line := cleanUpLine{Releases: []string{}, Stemcells: []string{}, Disks: []string{}}
	for _, r := range found.Releases {
		for _, version := range r.Versions {
			line.Releases = append(line.Releases, r.Name+"/"+version)
		}
	}
	for _, s := range found.Stemcells {
		line.Stemcells = append(line.Stemcells, s.Name()+"/"+s.Version().String())
	}
	for _, disk := range found.OrphanedDisks {
		line.Disks = append(line.Disks, disk.CID)
	}
	return line, err
}

func deleteStemcell(d director.Director, c command) (any, error) {
	found, err := d.FindStemcell(director.NewStemcellSlug(c.Name, c.Version))
	if err != nil {
		return nil, err
	}
	return nil, found.Delete(c.Force)
}
