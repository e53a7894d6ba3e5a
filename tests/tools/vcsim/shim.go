package main

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type (
	simContext = simulator.Context
	reference  = types.ManagedObjectReference
	fault      = types.BaseMethodFault
	// work is what a task does: it runs after the call was answered, and gives the task's result or its error.
	work func(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault)
)

// nobody is no object: the simulator prefers what its registry has under a call's reference to what handle returns.
var nobody = reference{Type: "Shim", Value: "nobody"}

// shim stands before every call to the simulator's registry.
type shim struct {
	delay       time.Duration
	methodDelay map[string]int
	rules       rules
	ends        *ends
	disks       *diskIDs
	replaced    map[string]work

	// creating is held while a VM is made, which has no name for a moment.
	creating sync.Mutex

	// files is held for writing by what takes files away: a search that meets one of them half gone ends the process.
	files sync.RWMutex

	mu     sync.Mutex
	counts map[string]int
}

func install(service *simulator.Service, taskDelayMs int, methodDelay map[string]int) {
	// How pyVmomi writes a reference where anything may stand (a removeKey), and vCenter reads it.
	types.Add("ManagedObject", reflect.TypeOf((*reference)(nil)).Elem())
	registry := service.Context.Map
	s := &shim{
		delay:       time.Duration(taskDelayMs) * time.Millisecond,
		methodDelay: methodDelay,
		ends:        newEnds(),
		disks:       &diskIDs{of: make(map[string]string)},
		counts:      make(map[string]int),
	}
	s.replaced = map[string]work{
		"AddDVPortgroup_Task":            s.addPortgroups,
		"CloneVM_Task":                   s.clone,
		"ReconfigVM_Task":                s.reconfigure,
		"Destroy_Task":                   s.destroy,
		"CreateVirtualDisk_Task":         s.createDisk,
		"DeleteVirtualDisk_Task":         s.deleteDisk,
		"ExtendVirtualDisk_Task":         s.extendDisk,
		"MoveVirtualDisk_Task":           s.moveDisk,
		"SearchDatastore_Task":           s.search,
		"SearchDatastoreSubFolders_Task": s.search,
	}
	content := registry.Get(vim25.ServiceInstance).(*simulator.ServiceInstance).Content
	manager := registry.Get(*content.TaskManager).(*simulator.TaskManager)
	manager.RecentTask = nil // how the inventory was built is nobody's business
	registry.RemoveHandler(manager)
	collected := &PropertyCollector{}
	collected.Self = content.PropertyCollector
	registry.Put(collected)
	registry.AddHandler(&listed{TaskManager: manager})
	registry.AddHandler(s.ends)
	registry.Handler = s.handle
	service.HandleFunc("/test/faults", s.serveFaults)
	service.HandleFunc("/test/counts", s.serveCounts)
	service.HandleFunc("/test/guest", func(w http.ResponseWriter, r *http.Request) { serveGuest(service.Context, w, r) })
}

// handle says who answers a call: nil is the simulator's own object.
func (s *shim) handle(ctx *simContext, method *simulator.Method) (mo.Reference, fault) {
	s.mu.Lock()
	s.counts[method.Name]++
	s.mu.Unlock()
	target := ctx.Map.Get(method.This)
	if ctx.Session == nil || target == nil {
		return nil, nil
	}
	if vm, ok := target.(*simulator.VirtualMachine); ok && method.Name == "RebootGuest" {
		method.This = nobody
		return &rebooting{VirtualMachine: vm}, nil
	}
	if manager, ok := target.(*simulator.VirtualDiskManager); ok && !strings.HasSuffix(method.Name, "_Task") {
		method.This = nobody
		return &diskManager{VirtualDiskManager: manager, ids: s.disks}, nil
	}
	if !strings.HasSuffix(method.Name, "_Task") || !method2go(target, method.Name).IsValid() {
		return nil, nil
	}
	time.Sleep(time.Duration(s.methodDelay[method.Name]) * time.Millisecond)
	started := &call{shim: s, method: method.Name, target: target}
	method.This, method.Name = nobody, "Start" // which the simulator now calls on what is returned here
	return started, nil
}

// method2go finds a SOAP method on the simulator's object, which calls PowerOnVM_Task PowerOnVMTask.
func method2go(target mo.Reference, name string) reflect.Value {
	return reflect.ValueOf(target).MethodByName(strings.ToUpper(name[:1]) + strings.Replace(name, "_Task", "Task", 1)[1:])
}

// upstream calls the simulator's own method and waits for the task that it makes.
func (s *shim) upstream(ctx *simContext, target mo.Reference, name string, body any) (types.AnyType, fault) {
	own := *ctx // a context owns locks, so each task needs its own
	this := target.Reference()
	own.Caller = &this
	var answer soap.HasFault
	own.WithLock(target, func() {
		method := method2go(target, name)
		args := []reflect.Value{reflect.ValueOf(body)}
		if method.Type().NumIn() == 2 {
			args = append([]reflect.Value{reflect.ValueOf(&own)}, args...)
		}
		answer = method.Call(args)[0].Interface().(soap.HasFault)
	})
	if refused := answer.Fault(); refused != nil {
		return nil, refused.VimFault().(fault)
	}
	task := reflect.ValueOf(answer).Elem().FieldByName("Res").Elem().FieldByName("Returnval").Interface().(reference)
	info := s.ends.await(&own, task)
	if info.Error != nil {
		return nil, info.Error.Fault
	}
	return info.Result, nil
}

func (s *shim) serveCounts(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(s.counts)
}

func (s *shim) serveFaults(w http.ResponseWriter, r *http.Request) {
	rule := rule{}
	if err := json.NewDecoder(r.Body).Decode(&rule); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.rules.add(rule); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// datacenter is the only one.
func datacenter(ctx *simContext) *simulator.Datacenter {
	return ctx.Map.Any("Datacenter").(*simulator.Datacenter)
}

// diskManager remembers UUIDs that were set, and those of disks that were moved: the simulator makes them from the path.
type diskManager struct {
	*simulator.VirtualDiskManager
	ids *diskIDs
}

func (m *diskManager) QueryVirtualDiskUuid(ctx *simContext, req *types.QueryVirtualDiskUuid) soap.HasFault {
	answer := m.VirtualDiskManager.QueryVirtualDiskUuid(ctx, req)
	if known := m.ids.get(req.Name); known != "" && answer.Fault() == nil {
		return &methods.QueryVirtualDiskUuidBody{Res: &types.QueryVirtualDiskUuidResponse{Returnval: known}}
	}
	return answer
}

func (m *diskManager) SetVirtualDiskUuid(ctx *simContext, req *types.SetVirtualDiskUuid) soap.HasFault {
	m.ids.set(req.Name, req.Uuid)
	return m.VirtualDiskManager.SetVirtualDiskUuid(ctx, req)
}
