package main

import (
	"fmt"
	"time"

	"github.com/cloudfoundry/bosh-cli/v7/director"
)

type taskRow struct {
	ID          int    `json:"id"`
	State       string `json:"state"`
	Description string `json:"description"`
	Deployment  string `json:"deployment"`
	User        string `json:"user"`
	Result      string `json:"result"`
	ContextID   string `json:"context_id"`
	StartedAt   int64  `json:"started_at"`
	FinishedAt  int64  `json:"finished_at"`
}

func rowOf(t director.Task) taskRow {
	return taskRow{
		ID: t.ID(), State: t.State(), Description: t.Description(), Deployment: t.DeploymentName(), User: t.User(),
		Result: t.Result(), ContextID: t.ContextID(), StartedAt: t.StartedAt().Unix(), FinishedAt: t.FinishedAt().Unix(),
	}
}

// tasks lists those of a context, the recent ones with a limit, else those that run or wait.
func tasks(d director.Director, c command) (any, error) {
	filter := director.TasksFilter{All: c.All, Deployment: c.Deployment}
	var found []director.Task
	var err error
	switch {
	case c.Context != "":
		found, err = d.FindTasksByContextId(c.Context)
	case c.Limit > 0:
		found, err = d.RecentTasks(c.Limit, filter)
	default:
		found, err = d.CurrentTasks(filter)
	}
	rows := []taskRow{}
	for _, t := range found {
		rows = append(rows, rowOf(t))
	}
	return rows, err
}

func task(d director.Director, c command) (any, error) {
	found, err := d.FindTask(c.ID)
	if err != nil {
		return nil, err
	}
	return rowOf(found), nil
}

// taskOutput waits until the task has ended; the text comes back even when it ended badly.
func taskOutput(d director.Director, c command) (any, error) {
	found, err := d.FindTask(c.ID)
	if err != nil {
		return nil, err
	}
	kept := &collector{}
	switch c.Type {
	case "event":
		err = found.EventOutput(kept)
	case "result":
		err = found.ResultOutput(kept)
	case "debug":
		err = found.DebugOutput(kept)
	case "cpi":
		err = found.CPIOutput(kept)
	default:
		return nil, fmt.Errorf("type %q is none of event, result, debug, cpi", c.Type)
	}
	return string(kept.text), err
}

func cancel(d director.Director, c command) (any, error) {
	found, err := d.FindTask(c.ID)
	if err != nil {
		return nil, err
	}
	return nil, found.Cancel()
}

func cancelTasks(d director.Director, c command) (any, error) {
	return nil, d.CancelTasks(director.TasksFilter{Deployment: c.Deployment, States: c.States})
}

type eventRow struct {
	ID         string         `json:"id"`
	ParentID   string         `json:"parent_id"`
	Time       time.Time      `json:"time"`
	User       string         `json:"user"`
	Action     string         `json:"action"`
	ObjectType string         `json:"object_type"`
	ObjectName string         `json:"object_name"`
	Task       string         `json:"task"`
	Deployment string         `json:"deployment"`
	Instance   string         `json:"instance"`
	Context    map[string]any `json:"context"`
	Error      string         `json:"error"`
}

func events(d director.Director, c command) (any, error) {
	found, err := d.Events(director.EventsFilter{
		Deployment: c.Deployment, ObjectType: c.Type, ObjectName: c.Name, Instance: c.Target,
	})
	rows := []eventRow{}
	for _, e := range found {
		rows = append(rows, eventRow{
			ID: e.ID(), ParentID: e.ParentID(), Time: e.Timestamp(), User: e.User(), Action: e.Action(),
			ObjectType: e.ObjectType(), ObjectName: e.ObjectName(), Task: e.TaskID(), Deployment: e.DeploymentName(),
			Instance: e.Instance(), Context: e.Context(), Error: e.Error(),
		})
	}
	return rows, err
}

type diskRow struct {
	CID        string    `json:"cid"`
	Size       uint64    `json:"size"`
	Deployment string    `json:"deployment"`
	Instance   string    `json:"instance"`
	AZ         string    `json:"az"`
	OrphanedAt time.Time `json:"orphaned_at"`
}

func disks(d director.Director, _ command) (any, error) {
	found, err := d.OrphanDisks()
	rows := []diskRow{}
	for _, o := range found {
		rows = append(rows, diskRow{
			CID: o.CID(), Size: o.Size(), Deployment: o.Deployment().Name(), Instance: o.InstanceName(), AZ: o.AZName(),
			OrphanedAt: o.OrphanedAt(),
		})
	}
	return rows, err
}

func deleteDisk(d director.Director, c command) (any, error) {
	found, err := d.FindOrphanDisk(c.Name)
	if err != nil {
		return nil, err
	}
	return nil, found.Delete()
}

func orphanNetworks(d director.Director, _ command) (any, error) {
	found, err := d.OrphanNetworks()
	return len(found), err
}
