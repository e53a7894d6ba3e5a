package main

import (
	"bytes"
	"os"

	"github.com/cloudfoundry/bosh-cli/v7/director"
	boshlog "github.com/cloudfoundry/bosh-utils/logger"
	boshsys "github.com/cloudfoundry/bosh-utils/system"
)

// command is any operation's arguments; each reads the few it needs.
type command struct {
	Op          string   `json:"op"`
	Deployment  string   `json:"deployment"`
	Path        string   `json:"path"`
	Text        string   `json:"text"`
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	Type        string   `json:"type"`
	ID          int      `json:"id"`
	Target      string   `json:"target"`
	Targets     []string `json:"targets"`
	Filters     []string `json:"filters"`
	States      []string `json:"states"`
	Expected    string   `json:"expected"`
	Canaries    string   `json:"canaries"`
	MaxInFlight string   `json:"max_in_flight"`
	Context     string   `json:"context"`
	Limit       int      `json:"limit"`
	Fix         bool     `json:"fix"`
	Rebase      bool     `json:"rebase"`
	Recreate    bool     `json:"recreate"`
	NewDisks    bool     `json:"recreate_persistent_disks"`
	DryRun      bool     `json:"dry_run"`
	Force       bool     `json:"force"`
	Hard        bool     `json:"hard"`
	SkipDrain   bool     `json:"skip_drain"`
	Converge    bool     `json:"converge"`
	KeepAlive   bool     `json:"keep_alive"`
	KeepDisks   bool     `json:"keep_disks"`
	WhenChanged bool     `json:"when_changed"`
	All         bool     `json:"all"`
	Confirmed   bool     `json:"confirmed"`
	Enabled     bool     `json:"enabled"`
	NoRedact    bool     `json:"no_redact"`
	Ops         []string `json:"ops"`
	Vars        string   `json:"vars"`
	AllKeys     bool     `json:"all_keys"`
	AllVars     bool     `json:"all_vars"`

	Stemcell string   `json:"stemcell"`
	Jobs     []string `json:"jobs"`

	Resolutions map[string]*string `json:"resolutions"`
	Limits      map[string]string  `json:"limits"`
}

type operation func(director.Director, command) (any, error)

var operations map[string]operation

func init() {
	operations = map[string]operation{
		"interpolate":           interpolate,
		"info":                  func(d director.Director, _ command) (any, error) { return d.Info() },
		"is_authenticated":      func(d director.Director, _ command) (any, error) { return d.IsAuthenticated() },
		"locks":                 func(d director.Director, _ command) (any, error) { return d.Locks() },
		"releases":              releases,
		"release":               release,
		"has_release":           hasRelease,
		"upload_release":        uploadRelease,
		"delete_release":        deleteRelease,
		"match_packages":        matchPackages,
		"export_release":        on(exportRelease),
		"send_release":          sendRelease,
		"verify":                verify,
		"stemcells":             stemcells,
		"stemcell_needs_upload": stemcellNeedsUpload,
		"upload_stemcell":       uploadStemcell,
		"delete_stemcell":       deleteStemcell,
		"update_cloud_config": func(d director.Director, c command) (any, error) {
			return nil, d.UpdateCloudConfig(c.Name, []byte(c.Text))
		},
		"latest_cloud_config": func(d director.Director, c command) (any, error) { return d.LatestCloudConfig(c.Name) },
		"diff_cloud_config":   func(d director.Director, c command) (any, error) { return d.DiffCloudConfig(c.Name, []byte(c.Text)) },
		"update_runtime_config": func(d director.Director, c command) (any, error) {
			return nil, d.UpdateRuntimeConfig(c.Name, []byte(c.Text))
		},
		"latest_runtime_config": func(d director.Director, c command) (any, error) { return d.LatestRuntimeConfig(c.Name) },
		"configs":               configs,
		"latest_config":         func(d director.Director, c command) (any, error) { return d.LatestConfig(c.Type, c.Name) },
		"update_config":         updateConfig,
		"diff_config":           func(d director.Director, c command) (any, error) { return d.DiffConfig(c.Type, c.Name, []byte(c.Text)) },
		"delete_config":         func(d director.Director, c command) (any, error) { return d.DeleteConfig(c.Type, c.Name) },
		"deployment_configs":    func(d director.Director, c command) (any, error) { return d.ListDeploymentConfigs(c.Deployment) },
		"tasks":                 tasks,
		"task":                  task,
		"task_output":           taskOutput,
		"cancel":                cancel,
		"cancel_tasks":          cancelTasks,
		"events":                events,
		"disks":                 disks,
		"delete_disk":           deleteDisk,
		"orphaned_vms":          func(d director.Director, _ command) (any, error) { return d.OrphanedVMs() },
		"orphan_networks":       orphanNetworks,
		"clean_up":              cleanUp,
		"resurrection":          func(d director.Director, c command) (any, error) { return nil, d.EnableResurrection(c.Enabled) },
		"resource":              resource,
		"certificate_expiry":    func(d director.Director, _ command) (any, error) { return d.CertificateExpiry() },
		"deployments":           deployments,
		"list_deployments":      func(d director.Director, _ command) (any, error) { return d.ListDeployments() },
		"manifest":              on(func(d director.Deployment, _ command) (any, error) { return d.Manifest() }),
		"diff":                  on(func(d director.Deployment, c command) (any, error) { return d.Diff([]byte(c.Text), c.NoRedact) }),
		"deploy":                deploy,
		"delete_deployment":     on(func(d director.Deployment, c command) (any, error) { return nil, d.Delete(c.Force) }),
		"vms":                   on(func(d director.Deployment, _ command) (any, error) { return d.VMInfos() }),
		"instances":             on(func(d director.Deployment, _ command) (any, error) { return d.InstanceInfos() }),
		"plain_instances":       on(func(d director.Deployment, _ command) (any, error) { return d.Instances() }),
		"errands":               on(func(d director.Deployment, _ command) (any, error) { return d.Errands() }),
		"run_errand":            on(runErrand),
		"variables":             on(func(d director.Deployment, _ command) (any, error) { return d.Variables() }),
		"snapshots":             on(func(d director.Deployment, _ command) (any, error) { return d.Snapshots() }),
		"start":                 on(start),
		"stop":                  on(stop),
		"restart":               on(restart),
		"recreate":              on(recreate),
		"ignore":                on(ignore),
		"logs":                  on(logs),
		"scan":                  on(func(d director.Deployment, _ command) (any, error) { return d.ScanForProblems() }),
		"resolve":               on(resolve),
	}
}

func uploadRelease(d director.Director, c command) (any, error) {
	file, err := os.Open(c.Path)
	if err != nil {
		return nil, err
	}
	return nil, d.UploadReleaseFile(file, c.Rebase, c.Fix)
}

func uploadStemcell(d director.Director, c command) (any, error) {
	file, err := os.Open(c.Path)
	if err != nil {
		return nil, err
	}
	return nil, d.UploadStemcellFile(file, c.Fix)
}

func stemcellNeedsUpload(d director.Director, c command) (any, error) {
	return d.StemcellNeedsUpload(director.StemcellInfo{Name: c.Name, Version: c.Version})
}

// resource downloads a blob to path, and tells how many bytes it had.
func resource(d director.Director, c command) (any, error) {
	var content bytes.Buffer
	if err := d.DownloadResourceUnchecked(c.Name, &content); err != nil {
		return nil, err
	}
	return content.Len(), os.WriteFile(c.Path, content.Bytes(), 0o600)
}

func updateConfig(d director.Director, c command) (any, error) {
	return d.UpdateConfig(c.Type, c.Name, c.Expected, []byte(c.Text))
}

func configs(d director.Director, c command) (any, error) {
	return d.ListConfigs(max(c.Limit, 1), director.ConfigsFilter{Type: c.Type, Name: c.Name})
}

// archiveInfo reads a release tarball as the command does before it uploads one.
func archiveInfo(path string) (director.ReleaseMetadata, error) {
	fs := boshsys.NewOsFileSystem(boshlog.NewLogger(boshlog.LevelNone))
	return director.NewFSReleaseArchive(path, fs).Info()
}
