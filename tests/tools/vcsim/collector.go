package main

import (
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	gathered   = 5 * time.Millisecond // by which an update set waits for more to go with it
	updatesMax = 100                  // object updates in one set, as in vCenter
)

// PropertyCollector (its name is what the simulator calls the objects) tells of changes as vCenter does. The simulator's own reads every object of every filter again for each single
// change (seconds of CPU for a hundred VMs), and forgets a set whose reply was lost.
type PropertyCollector struct {
	simulator.PropertyCollector

	once    sync.Once
	changed chan struct{} // holds one item: something happened
	ended   chan struct{} // closed by CancelWaitForUpdates

	mu      sync.Mutex
	dirty   map[reference]bool
	isMoved bool // what a traversal finds may be another set of objects now

	computing sync.Mutex
	version   int
	last      *types.UpdateSet // answered to version-1, and again if asked again
	pending   []objectUpdate
	seen      map[reference]map[reference]map[string]any // filter → object → path → value as last told
}

type objectUpdate struct {
	filter reference
	update types.ObjectUpdate
}

func (c *PropertyCollector) init(ctx *simContext) {
	c.once.Do(func() {
		c.changed = make(chan struct{}, 1)
		c.ended = make(chan struct{})
		c.dirty = make(map[reference]bool)
		c.seen = make(map[reference]map[reference]map[string]any)
		ctx.Map.AddHandler(c)
	})
}

func (c *PropertyCollector) note(ref reference, isMoved bool) {
	c.mu.Lock()
	c.dirty[ref] = true
	c.isMoved = c.isMoved || isMoved
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// moving are the properties that traversals follow.
var moving = map[string]bool{"recentTask": true, "childEntity": true, "view": true, "vm": true, "parent": true, "latestPage": true}

func (c *PropertyCollector) PutObject(_ *simContext, object mo.Reference) {
	c.note(object.Reference(), true)
}
func (c *PropertyCollector) RemoveObject(_ *simContext, ref reference) { c.note(ref, true) }
func (c *PropertyCollector) UpdateObject(_ *simContext, object mo.Reference, changes []types.PropertyChange) {
	ref, isMoved := object.Reference(), false
	for _, change := range changes {
		isMoved = isMoved || (moving[change.Name] && ref.Type != "VirtualMachine") || change.Name == "parent"
	}
	c.note(ref, isMoved)
}

func (c *PropertyCollector) CreatePropertyCollector(ctx *simContext, _ *types.CreatePropertyCollector) soap.HasFault {
	made := ctx.Session.Put(&PropertyCollector{}).Reference()
	return &methods.CreatePropertyCollectorBody{Res: &types.CreatePropertyCollectorResponse{Returnval: made}}
}

func (c *PropertyCollector) CreateFilter(ctx *simContext, req *types.CreateFilter) soap.HasFault {
	c.init(ctx)
	defer c.note(c.Self, true)
	return c.PropertyCollector.CreateFilter(ctx, req)
}

func (c *PropertyCollector) CancelWaitForUpdates(*types.CancelWaitForUpdates) soap.HasFault {
	c.mu.Lock()
	if c.ended != nil {
		close(c.ended)
		c.ended = make(chan struct{})
	}
	c.mu.Unlock()
	return &methods.CancelWaitForUpdatesBody{Res: new(types.CancelWaitForUpdatesResponse)}
}

func (c *PropertyCollector) DestroyPropertyCollector(ctx *simContext, req *types.DestroyPropertyCollector) soap.HasFault {
	c.CancelWaitForUpdates(nil)
	return c.PropertyCollector.DestroyPropertyCollector(ctx, req)
}

func (c *PropertyCollector) WaitForUpdates(ctx *simContext, req *types.WaitForUpdates) soap.HasFault {
	set, refused := c.wait(ctx, req.Version, nil)
	if refused != nil {
		return &methods.WaitForUpdatesBody{Fault_: simulator.Fault("", refused)}
	}
	return &methods.WaitForUpdatesBody{Res: &types.WaitForUpdatesResponse{Returnval: *set}}
}

func (c *PropertyCollector) WaitForUpdatesEx(ctx *simContext, req *types.WaitForUpdatesEx) soap.HasFault {
	set, refused := c.wait(ctx, req.Version, req.Options)
	if refused != nil {
		return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("", refused)}
	}
	return &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{Returnval: set}}
}

// wait gives nil when the time is over and nothing has happened.
func (c *PropertyCollector) wait(ctx *simContext, version string, options *types.WaitOptions) (*types.UpdateSet, fault) {
	c.init(ctx)
	limit := updatesMax
	var over <-chan time.Time
	if options != nil {
		if most := int(options.MaxObjectUpdates); most > 0 {
			limit = min(limit, most)
		}
		if seconds := options.MaxWaitSeconds; seconds != nil {
			timer := time.NewTimer(time.Duration(*seconds) * time.Second)
			defer timer.Stop()
			over = timer.C
		}
	}
	c.mu.Lock()
	ended := c.ended
	c.mu.Unlock()
	for {
		set, refused := c.compute(ctx, version, limit)
		if set != nil || refused != nil || (version == "" && len(c.Filter) == 0) {
			return set, refused
		}
		select {
		case <-c.changed:
			time.Sleep(gathered)
		case <-ended:
			return nil, new(types.RequestCanceled)
		case <-over:
			return nil, nil
		}
	}
}

// compute gives the set that follows a version, or nil while there is none.
func (c *PropertyCollector) compute(ctx *simContext, version string, limit int) (*types.UpdateSet, fault) {
	c.computing.Lock()
	defer c.computing.Unlock()
	switch {
	case version == "":
		clear(c.seen)
		c.pending, c.last = nil, nil
		c.note(c.Self, true)
	case version == strconv.Itoa(c.version):
	case version == strconv.Itoa(c.version-1) && c.last != nil:
		return c.last, nil
	default:
		return nil, new(types.InvalidCollectorVersion)
	}
	if len(c.pending) == 0 {
		if failed := c.gather(ctx); failed != nil {
			return nil, failed
		}
	}
	if len(c.pending) == 0 {
		return nil, nil
	}
	c.version++
	set := &types.UpdateSet{Version: strconv.Itoa(c.version)}
	some := c.pending[:min(limit, len(c.pending))]
	c.pending = c.pending[len(some):]
	if len(c.pending) > 0 {
		set.Truncated = types.NewBool(true)
	}
	for _, one := range some {
		if n := len(set.FilterSet); n == 0 || set.FilterSet[n-1].Filter != one.filter {
			set.FilterSet = append(set.FilterSet, types.PropertyFilterUpdate{Filter: one.filter})
		}
		last := &set.FilterSet[len(set.FilterSet)-1]
		last.ObjectSet = append(last.ObjectSet, one.update)
	}
	c.last = set
	return set, nil
}

// gather finds what changed since the last time, in every filter.
func (c *PropertyCollector) gather(ctx *simContext) fault {
	c.mu.Lock()
	dirty, isMoved := c.dirty, c.isMoved
	c.dirty, c.isMoved = make(map[reference]bool), false
	c.mu.Unlock()
	for _, ref := range c.Filter {
		filter, ok := ctx.Session.Get(ref).(*simulator.PropertyFilter)
		if !ok {
			continue
		}
		if c.seen[ref] == nil {
			c.seen[ref] = make(map[reference]map[string]any)
			isMoved = true
		}
		if failed := c.compare(ctx, ref, &filter.Spec, dirty, isMoved); failed != nil {
			return failed
		}
	}
	return nil
}

func (c *PropertyCollector) compare(ctx *simContext, filter reference, spec *types.PropertyFilterSpec, dirty map[reference]bool, isMoved bool) fault {
	known := c.seen[filter]
	var look []reference
	if isMoved {
		found, failed := c.traverse(ctx, spec)
		if failed != nil {
			return failed
		}
		for ref := range known {
			if !found[ref] {
				delete(known, ref)
				c.tell(filter, types.ObjectUpdate{Kind: types.ObjectUpdateKindLeave, Obj: ref})
			}
		}
		for ref := range found {
			if _, ok := known[ref]; !ok || dirty[ref] {
				look = append(look, ref)
			}
		}
	} else {
		for ref := range dirty {
			if _, ok := known[ref]; ok {
				look = append(look, ref)
			}
		}
	}
	if len(look) == 0 {
		return nil
	}
	read, failed := c.read(ctx, spec.PropSet, plain(look))
	for _, content := range read {
		before, isKnown := known[content.Obj]
		update := types.ObjectUpdate{Kind: types.ObjectUpdateKindModify, Obj: content.Obj}
		if !isKnown {
			update.Kind = types.ObjectUpdateKindEnter
		}
		known[content.Obj], update.ChangeSet = differences(before, content.PropSet)
		if !isKnown || len(update.ChangeSet) > 0 {
			c.tell(filter, update)
		}
	}
	return failed
}

func (c *PropertyCollector) tell(filter reference, update types.ObjectUpdate) {
	c.pending = append(c.pending, objectUpdate{filter, update})
}

func differences(before map[string]any, now []types.DynamicProperty) (map[string]any, []types.PropertyChange) {
	values := make(map[string]any, len(now))
	var changes []types.PropertyChange
	for _, property := range now {
		values[property.Name] = property.Val
		was, ok := before[property.Name]
		if !ok || !reflect.DeepEqual(was, property.Val) {
			changes = append(changes, types.PropertyChange{
				Name: property.Name, Op: types.PropertyChangeOpAssign, Val: property.Val,
			})
		}
	}
	for name := range before {
		if _, ok := values[name]; !ok {
			changes = append(changes, types.PropertyChange{Name: name, Op: types.PropertyChangeOpAssign})
		}
	}
	return values, changes
}

// traverse gives the objects that a filter finds and wants properties of.
func (c *PropertyCollector) traverse(ctx *simContext, spec *types.PropertyFilterSpec) (map[reference]bool, fault) {
	var kinds []types.PropertySpec
	for _, kind := range spec.PropSet {
		kinds = append(kinds, types.PropertySpec{Type: kind.Type})
	}
	read, failed := c.read(ctx, kinds, spec.ObjectSet)
	found := make(map[reference]bool, len(read))
	for _, content := range read {
		found[content.Obj] = true
	}
	return found, failed
}

func plain(refs []reference) []types.ObjectSpec {
	var specs []types.ObjectSpec
	for _, ref := range refs {
		specs = append(specs, types.ObjectSpec{Obj: ref})
	}
	return specs
}

func (c *PropertyCollector) read(ctx *simContext, kinds []types.PropertySpec, from []types.ObjectSpec) ([]types.ObjectContent, fault) {
	answer := c.RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{This: c.Self, SpecSet: []types.PropertyFilterSpec{{
		PropSet: kinds, ObjectSet: from, ReportMissingObjectsInResults: types.NewBool(true),
	}}})
	if refused := answer.Fault(); refused != nil {
		return nil, refused.VimFault().(fault)
	}
	return answer.(*methods.RetrievePropertiesExBody).Res.Returnval.Objects, nil
}
