package main

import (
	"bytes"
	"path"
	"reflect"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// clone makes the VM in one go, with everything that the spec asks for. The simulator's own drops most of the spec.
func (s *shim) clone(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	source, req := target.(*simulator.VirtualMachine), body.(*types.CloneVM_Task)
	folder, ok := ctx.Map.Get(req.Folder).(*simulator.Folder)
	if !ok {
		return nil, &types.ManagedObjectNotFound{Obj: req.Folder}
	}
	result, failed := s.create(ctx, source, folder, req)
	if failed != nil {
		return nil, failed
	}
	made := ctx.Map.Get(result.(reference)).(*simulator.VirtualMachine)
	s.putIDs(ctx, made)
	if req.Spec.Template {
		own := *ctx
		own.WithLock(made, func() { made.MarkAsTemplate(&types.MarkAsTemplate{This: made.Self}) })
	}
	if req.Spec.PowerOn {
		if _, failed = s.upstream(ctx, made, "PowerOnVM_Task", &types.PowerOnVM_Task{This: made.Self}); failed != nil {
			return nil, failed
		}
	}
	return result, nil
}

// create makes one VM at a time: one that is being made stands in its folder without a name, and must not be met so.
func (s *shim) create(ctx *simContext, source *simulator.VirtualMachine, folder *simulator.Folder, req *types.CloneVM_Task) (types.AnyType, fault) {
	s.creating.Lock()
	defer s.creating.Unlock()
	if there := ctx.Map.FindByName(req.Name, folder.ChildEntity); there != nil {
		return nil, &types.DuplicateName{Name: req.Name, Object: there.Reference()}
	}
	create, failed := s.cloneSpec(ctx, source, req)
	if failed != nil {
		return nil, failed
	}
	return s.upstream(ctx, folder, "CreateVM_Task", create)
}

func (s *shim) cloneSpec(ctx *simContext, source *simulator.VirtualMachine, req *types.CloneVM_Task) (*types.CreateVM_Task, fault) {
	own := *ctx
	config := types.VirtualMachineConfigSpec{}
	if req.Spec.Config != nil {
		config = *req.Spec.Config
	}
	pool := req.Spec.Location.Pool
	var devices []types.BaseVirtualDeviceConfigSpec
	own.WithLock(source, func() {
		inherit(&config, source.Config)
		devices = copies(source, isLinked(req))
		if pool == nil && !source.Config.Template {
			pool = source.ResourcePool
		}
	})
	if pool == nil {
		return nil, &types.InvalidArgument{InvalidProperty: "spec.location.pool"}
	}
	config.Name = req.Name
	config.DeviceChange = append(append(devices, req.Spec.Location.DeviceChange...), config.DeviceChange...)
	at := object.DatastorePath{Path: req.Name}
	if at.Datastore = datastoreName(ctx, source, req); at.Datastore == "" {
		return nil, &types.InvalidArgument{InvalidProperty: "spec.location.datastore"}
	}
	config.Files = &types.VirtualMachineFileInfo{VmPathName: at.String()}
	host, failed := hostFor(ctx, req.Spec.Location.Host, *pool)
	if failed != nil {
		return nil, failed
	}
	if failed := checkDevices(ctx, at.String(), config.DeviceChange); failed != nil {
		return nil, failed
	}
	return &types.CreateVM_Task{This: req.Folder, Config: config, Pool: *pool, Host: &host}, nil
}

func isLinked(req *types.CloneVM_Task) bool {
	return req.Spec.Location.DiskMoveType == string(types.VirtualMachineRelocateDiskMoveOptionsCreateNewChildDiskBacking)
}

func datastoreName(ctx *simContext, source *simulator.VirtualMachine, req *types.CloneVM_Task) string {
	if ref := req.Spec.Location.Datastore; ref != nil {
		if datastore, ok := ctx.Map.Get(*ref).(*simulator.Datastore); ok {
			return datastore.Name
		}
		return ""
	}
	var at object.DatastorePath
	at.FromString(source.Config.Files.VmPathName)
	return at.Datastore
}

// inherit fills what the spec leaves open from the source.
func inherit(config *types.VirtualMachineConfigSpec, from *types.VirtualMachineConfigInfo) {
	if config.NumCPUs == 0 {
		config.NumCPUs = from.Hardware.NumCPU
	}
	if config.NumCoresPerSocket == 0 {
		config.NumCoresPerSocket = from.Hardware.NumCoresPerSocket
	}
	if config.MemoryMB == 0 {
		config.MemoryMB = int64(from.Hardware.MemoryMB)
	}
	for _, text := range []struct {
		to   *string
		from string
	}{
		{&config.GuestId, from.GuestId}, {&config.Version, from.Version},
		{&config.Annotation, from.Annotation}, {&config.Firmware, from.Firmware},
	} {
		if *text.to == "" {
			*text.to = text.from
		}
	}
	config.ExtraConfig = merged(from.ExtraConfig, config.ExtraConfig)
}

// merged is the source's extra configuration below the spec's own, in which an empty value removes a key.
func merged(below, above []types.BaseOptionValue) []types.BaseOptionValue {
	values := make(map[string]any)
	for _, option := range above {
		values[option.GetOptionValue().Key] = option.GetOptionValue().Value
	}
	var all []types.BaseOptionValue
	for _, option := range below {
		if _, ok := values[option.GetOptionValue().Key]; !ok {
			all = append(all, option)
		}
	}
	for _, option := range above {
		if option.GetOptionValue().Value != "" {
			all = append(all, option)
		}
	}
	return all
}

// copies are the source's devices as a spec: new disks (or children of the source's), and NICs with addresses of their own.
func copies(source *simulator.VirtualMachine, isLinked bool) []types.BaseVirtualDeviceConfigSpec {
	ours := object.VirtualDeviceList(copied(types.ArrayOfVirtualDevice{VirtualDevice: source.Config.Hardware.Device}).VirtualDevice)
	standard := object.VirtualDeviceList(esx.VirtualDevice)
	var specs []types.BaseVirtualDeviceConfigSpec
	for _, device := range ours {
		if standard.Find(ours.Name(device)) != nil {
			continue
		}
		spec := &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device}
		switch device := device.(type) {
		case *types.VirtualDisk:
			spec.FileOperation = types.VirtualDeviceConfigSpecFileOperationCreate
			backing := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			parent := *backing
			backing.FileName, backing.Datastore, backing.Uuid, backing.Parent = "", nil, "", nil
			if isLinked {
				backing.Parent = &parent
			}
		case types.BaseVirtualEthernetCard:
			if card := device.GetVirtualEthernetCard(); card.AddressType != string(types.VirtualEthernetCardMacTypeManual) {
				card.MacAddress = ""
			}
		}
		specs = append(specs, spec)
	}
	return specs
}

func copied[T any](from T) T {
	var to T
	var text bytes.Buffer
	check(xml.NewEncoder(&text).Encode(from))
	decoder := xml.NewDecoder(&text)
	decoder.TypeFunc = types.TypeFunc()
	check(decoder.Decode(&to))
	return to
}

// hostFor is the host that was asked for, or the pool's cluster's with the fewest VMs.
func hostFor(ctx *simContext, asked *reference, pool reference) (reference, fault) {
	if asked != nil {
		return *asked, nil
	}
	at, _ := ctx.Map.Get(pool).(mo.Entity)
	for at != nil && at.Reference().Type != "ClusterComputeResource" {
		parent := at.Entity().Parent
		if parent == nil {
			break
		}
		at, _ = ctx.Map.Get(*parent).(mo.Entity)
	}
	cluster, ok := at.(*simulator.ClusterComputeResource)
	if !ok {
		return reference{}, &types.ManagedObjectNotFound{Obj: pool}
	}
	var best *simulator.HostSystem
	for _, ref := range cluster.Host {
		host := ctx.Map.Get(ref).(*simulator.HostSystem)
		if !host.Runtime.InMaintenanceMode && (best == nil || len(host.Vm) < len(best.Vm)) {
			best = host
		}
	}
	if best == nil {
		return reference{}, &types.NoCompatibleHost{}
	}
	return best.Self, nil
}

// checkDevices refuses what makes the simulator panic, and more disk than there is space for.
func checkDevices(ctx *simContext, home string, changes []types.BaseVirtualDeviceConfigSpec) fault {
	wanted := make(map[string]int64)
	for i, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		if spec.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			continue
		}
		switch device := spec.Device.(type) {
		case *types.VirtualDisk:
			backing, ok := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			if !ok {
				return &types.InvalidDeviceBacking{InvalidDeviceSpec: types.InvalidDeviceSpec{DeviceIndex: int32(i)}}
			}
			file := backing.FileName
			if file == "" {
				file = home
			}
			if datastoreOf(ctx, file) == nil {
				return &types.InvalidDatastorePath{DatastorePath: file}
			}
			if spec.FileOperation == "" && size(device) == 0 {
				device.CapacityInBytes = capacity(ctx, file)
				device.CapacityInKB = device.CapacityInBytes >> 10
			}
			if spec.FileOperation == types.VirtualDeviceConfigSpecFileOperationCreate {
				var at object.DatastorePath
				at.FromString(file)
				wanted[at.Datastore] += size(device)
			}
		case types.BaseVirtualEthernetCard:
			backing, ok := device.GetVirtualEthernetCard().Backing.(*types.VirtualEthernetCardNetworkBackingInfo)
			if ok && ctx.Map.FindByName(backing.DeviceName, datacenter(ctx).Network) == nil {
				return &types.InvalidDeviceBacking{InvalidDeviceSpec: types.InvalidDeviceSpec{DeviceIndex: int32(i)}}
			}
		}
	}
	for name, bytes := range wanted {
		datastore := datastoreOf(ctx, "["+name+"] x")
		if bytes > datastore.Summary.FreeSpace {
			return noSpace(datastore, "["+name+"] "+path.Base(home))
		}
	}
	return nil
}

func size(disk *types.VirtualDisk) int64 {
	return max(disk.CapacityInBytes, disk.CapacityInKB<<10)
}

// reconfigure keeps an empty value from adding a key, and takes no space twice for a disk that exists already.
func (s *shim) reconfigure(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	vm, req := target.(*simulator.VirtualMachine), body.(*types.ReconfigVM_Task)
	own := *ctx
	home := ""
	own.WithLock(vm, func() {
		home = vm.Config.Files.VmPathName
		req.Spec.ExtraConfig = changing(vm.Config.ExtraConfig, req.Spec.ExtraConfig)
	})
	if failed := checkDevices(ctx, home, req.Spec.DeviceChange); failed != nil {
		return nil, failed
	}
	if _, failed := s.upstream(ctx, target, "ReconfigVM_Task", body); failed != nil {
		return nil, failed
	}
	for _, change := range req.Spec.DeviceChange {
		spec := change.GetVirtualDeviceConfigSpec()
		disk, ok := spec.Device.(*types.VirtualDisk)
		if ok && spec.Operation == types.VirtualDeviceConfigSpecOperationAdd && spec.FileOperation == "" {
			_ = take(ctx, disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).FileName, -size(disk))
		}
	}
	s.putIDs(ctx, vm)
	return nil, nil
}

func changing(has, changes []types.BaseOptionValue) []types.BaseOptionValue {
	keys := make(map[string]bool)
	for _, option := range has {
		keys[option.GetOptionValue().Key] = true
	}
	var kept []types.BaseOptionValue
	for _, option := range changes {
		if value := option.GetOptionValue(); value.Value != "" || keys[value.Key] {
			kept = append(kept, option)
		}
	}
	return kept
}

// putIDs gives the VM's disks the UUIDs that they have, wherever they were moved.
func (s *shim) putIDs(ctx *simContext, vm *simulator.VirtualMachine) {
	own := *ctx
	own.WithLock(vm, func() {
		for _, device := range vm.Config.Hardware.Device {
			disk, ok := device.(*types.VirtualDisk)
			if !ok {
				continue
			}
			if backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
				if id := s.disks.get(backing.FileName); id != "" {
					backing.Uuid = id
				}
			}
		}
	})
}

// destroy forgets the UUIDs of the files that go with a VM.
func (s *shim) destroy(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	if group, ok := target.(*simulator.DistributedVirtualPortgroup); ok {
		return s.destroyPortgroup(ctx, group, body)
	}
	var files []string
	if vm, ok := target.(*simulator.VirtualMachine); ok {
		own := *ctx
		own.WithLock(vm, func() {
			for _, device := range vm.Config.Hardware.Device {
				if backing, ok := device.GetVirtualDevice().Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
					files = append(files, backing.FileName)
				}
			}
		})
	}
	result, failed := s.upstream(ctx, target, "Destroy_Task", body)
	if failed == nil {
		for _, file := range files {
			s.disks.set(file, "")
		}
	}
	return result, failed
}

// returned is the value in a reply of the simulator's.
func returned[T any](answer any) T {
	return reflect.ValueOf(answer).Elem().FieldByName("Res").Elem().FieldByName("Returnval").Interface().(T)
}
