package main

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// firstTask is where our tasks' numbers begin, far from the simulator's own.
const firstTask = 1_000_000

var lastTask atomic.Int64

// call is one call of a method that makes a task. The simulator calls Start instead of the method.
type call struct {
	shim   *shim
	method string
	target mo.Reference
}

func (c *call) Reference() reference { return c.target.Reference() }

// Lock and Unlock opt out of the simulator's lock around each call: a task takes the lock while it works, not while it waits.
func (c *call) Lock()   {}
func (c *call) Unlock() {}

// Start makes the task, which is seen running at once and for the whole delay, and then does its work.
func (c *call) Start(ctx *simContext, body any) soap.HasFault {
	own := *ctx
	task := c.make(&own)
	own.Map.Put(task)
	go func() {
		own.Map.AtomicUpdate(&own, task, []types.PropertyChange{
			{Name: "info.startTime", Val: time.Now()},
			{Name: "info.state", Val: types.TaskInfoStateRunning},
		})
		time.Sleep(c.shim.delay)
		result, failed := c.run(&own, body)
		c.end(&own, task, result, failed)
	}()
	return &answered{Res: &taskResponse{method: c.method, task: task.Self}}
}

func (c *call) make(ctx *simContext) *simulator.Task {
	entity := c.target.Reference()
	name := strings.TrimSuffix(c.method, "_Task")
	kind := entity.Type
	if _, ok := c.target.(mo.Entity); !ok {
		entity = datacenter(ctx).Self // as in vSphere, a task's entity is in the inventory
	}
	task := simulator.CreateTask(c.target, name, nil)
	task.Self = reference{Type: "Task", Value: fmt.Sprintf("task-%d", firstTask+lastTask.Add(1))}
	task.Info.Key, task.Info.Task = task.Self.Value, task.Self
	task.Info.Name = c.method
	task.Info.DescriptionId = kind + "." + strings.ToLower(name[:1]) + name[1:]
	task.Info.Entity, task.Info.EntityName = &entity, entityName(ctx, entity)
	return task
}

func entityName(ctx *simContext, ref reference) string {
	if entity, ok := ctx.Map.Get(ref).(mo.Entity); ok {
		return entity.Entity().Name
	}
	return ref.Value
}

func (c *call) run(ctx *simContext, body any) (types.AnyType, *types.LocalizedMethodFault) {
	if failed := c.shim.rules.match(c.method); failed != nil {
		return nil, failed
	}
	do := func(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
		return c.shim.upstream(ctx, target, c.method, body)
	}
	if replaced, ok := c.shim.replaced[c.method]; ok {
		do = replaced
	}
	result, failed := do(ctx, c.target, body)
	if failed != nil {
		return nil, worded(failed, "")
	}
	return result, nil
}

func (c *call) end(ctx *simContext, task *simulator.Task, result types.AnyType, failed *types.LocalizedMethodFault) {
	for _, ref := range []any{c.target.Reference(), result} {
		touch(ctx, ref)
	}
	changes := []types.PropertyChange{{Name: "info.completeTime", Val: time.Now()}}
	if failed != nil {
		changes = append(changes, types.PropertyChange{Name: "info.error", Val: failed},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateError})
	} else {
		changes = append(changes, types.PropertyChange{Name: "info.result", Val: result},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateSuccess})
	}
	ctx.Map.AtomicUpdate(ctx, task, changes)
}

// touch makes those who watch a VM look at it again: the simulator changes much of it without saying so.
func touch(ctx *simContext, ref any) {
	at, ok := ref.(reference)
	if !ok {
		return
	}
	if vm, ok := ctx.Map.Get(at).(*simulator.VirtualMachine); ok {
		ctx.Map.AtomicUpdate(ctx, vm, []types.PropertyChange{{Name: "configStatus", Val: vm.ConfigStatus}})
	}
}

// answered is the reply to any method that makes a task.
type answered struct {
	Res *taskResponse
}

func (*answered) Fault() *soap.Fault { return nil }

type taskResponse struct {
	method string
	task   reference
}

func (r *taskResponse) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	start.Name.Local = r.method + "Response"
	return e.EncodeElement(struct {
		Returnval reference `xml:"returnval"`
	}{r.task}, start)
}

// listed keeps the tasks that the simulator makes for itself out of recentTask: vCenter shows what was asked for.
type listed struct {
	*simulator.TaskManager
}

func (*listed) Reference() reference { return reference{Type: "Shim", Value: "listed"} }

func (l *listed) PutObject(ctx *simContext, object mo.Reference) {
	if task, ok := object.(*simulator.Task); ok && !strings.HasSuffix(task.Info.Name, "_Task") {
		return
	}
	l.TaskManager.PutObject(ctx, object)
}

// ends knows when the simulator's own tasks end.
type ends struct {
	mu      sync.Mutex
	waiting map[reference]chan struct{}
}

func newEnds() *ends { return &ends{waiting: make(map[reference]chan struct{})} }

func (*ends) Reference() reference                { return reference{Type: "Shim", Value: "ends"} }
func (*ends) PutObject(*simContext, mo.Reference) {}
func (*ends) RemoveObject(*simContext, reference) {}
func (e *ends) UpdateObject(_ *simContext, object mo.Reference, _ []types.PropertyChange) {
	task, ok := object.(*mo.Task)
	if !ok || !isEnded(task.Info.State) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if waiting, ok := e.waiting[task.Self]; ok {
		close(waiting)
		delete(e.waiting, task.Self)
	}
}

func isEnded(state types.TaskInfoState) bool {
	return state == types.TaskInfoStateSuccess || state == types.TaskInfoStateError
}

// await also forgets the task, for nobody else knows of it.
func (e *ends) await(ctx *simContext, ref reference) types.TaskInfo {
	ended := make(chan struct{})
	e.mu.Lock()
	e.waiting[ref] = ended
	e.mu.Unlock()
	task := ctx.Map.Get(ref).(*simulator.Task)
	info := func() (info types.TaskInfo) {
		ctx.WithLock(task, func() { info = task.Info })
		return info
	}
	if !isEnded(info().State) {
		<-ended
	}
	done := info()
	ctx.Map.Remove(ctx, ref)
	return done
}

// rule makes tasks of one method end in an error.
type rule struct {
	Method  string
	Fault   string
	Message string
	Times   int
	Skip    int
}

type rules struct {
	mu  sync.Mutex
	all []*rule
}

func (r *rules) add(rule rule) error {
	if newFault(rule.Fault) == nil {
		return fmt.Errorf("there is no fault %q", rule.Fault)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, &rule)
	return nil
}

func (r *rules) match(method string) *types.LocalizedMethodFault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rule := range r.all {
		switch {
		case rule.Method != method || rule.Times == 0:
		case rule.Skip > 0:
			rule.Skip--
		default:
			rule.Times--
			return worded(newFault(rule.Fault), rule.Message)
		}
	}
	return nil
}

func newFault(name string) fault {
	kind, ok := types.TypeFunc()(name)
	if !ok {
		return nil
	}
	made, _ := reflect.New(kind).Interface().(fault)
	return made
}

// worded gives a fault the sentence that vCenter would say; the simulator says the Go type.
func worded(failed fault, message string) *types.LocalizedMethodFault {
	if message == "" {
		message = sentence(failed)
	}
	return &types.LocalizedMethodFault{Fault: failed, LocalizedMessage: message}
}

func sentence(failed fault) string {
	switch failed := failed.(type) {
	case *types.NoDiskSpace:
		return fmt.Sprintf("Insufficient disk space on datastore '%s'.", failed.Datastore)
	case *types.DuplicateName:
		return fmt.Sprintf("The name '%s' already exists.", failed.Name)
	case *types.FileNotFound:
		return fmt.Sprintf("File %s was not found", failed.File)
	case *types.FileAlreadyExists:
		return fmt.Sprintf("Cannot complete the operation because the file or folder %s already exists", failed.File)
	case *types.InvalidPowerState:
		return fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", failed.ExistingState)
	case *types.ManagedObjectNotFound:
		return "The object has already been deleted or has not been completely created"
	}
	words := ""
	for _, letter := range reflect.TypeOf(failed).Elem().Name() {
		if letter >= 'A' && letter <= 'Z' && words != "" {
			words += " "
		}
		words += strings.ToLower(string(letter))
	}
	return strings.ToUpper(words[:1]) + words[1:] + "."
}
