package main

import (
	"path"
	"strings"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// diskIDs are the UUIDs of disks, by datastore path, that are not what the simulator makes from the path.
type diskIDs struct {
	mu sync.Mutex
	of map[string]string
}

func (d *diskIDs) get(file string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.of[file]
}

func (d *diskIDs) set(file, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if id == "" {
		delete(d.of, file)
	} else {
		d.of[file] = id
	}
}

// datastoreOf finds the datastore of "[name] path", or nil.
func datastoreOf(ctx *simContext, file string) *simulator.Datastore {
	var at object.DatastorePath
	if !at.FromString(file) {
		return nil
	}
	for _, ref := range datacenter(ctx).Datastore {
		if datastore, ok := ctx.Map.Get(ref).(*simulator.Datastore); ok && datastore.Name == at.Datastore {
			return datastore
		}
	}
	return nil
}

// take takes space from a datastore, or gives some back. It says so when there is not enough.
func take(ctx *simContext, file string, bytes int64) fault {
	datastore := datastoreOf(ctx, file)
	if datastore == nil {
		return &types.InvalidDatastorePath{DatastorePath: file}
	}
	own := *ctx
	var failed fault
	own.WithLock(datastore, func() {
		if bytes > datastore.Summary.FreeSpace {
			failed = noSpace(datastore, file)
			return
		}
		left := datastore.Summary.FreeSpace - bytes
		own.Update(datastore, []types.PropertyChange{{Name: "summary.freeSpace", Val: left}})
		datastore.Info.GetDatastoreInfo().FreeSpace = left
	})
	return failed
}

func noSpace(datastore *simulator.Datastore, file string) fault {
	full := &types.NoDiskSpace{Datastore: datastore.Name}
	full.File = file
	return full
}

// capacity reads a disk's size in bytes from its descriptor.
func capacity(ctx *simContext, file string) int64 {
	center := datacenter(ctx).Self
	descriptor, _, failed := ctx.Map.FileManager().DiskDescriptor(ctx, &center, file)
	if failed != nil {
		return 0
	}
	return int64(descriptor.Capacity())
}

func (s *shim) createDisk(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	req := body.(*types.CreateVirtualDisk_Task)
	bytes := int64(0)
	if spec, ok := req.Spec.(types.BaseFileBackedVirtualDiskSpec); ok {
		bytes = spec.GetFileBackedVirtualDiskSpec().CapacityKb << 10
	}
	if failed := take(ctx, req.Name, bytes); failed != nil {
		return nil, failed
	}
	result, failed := s.upstream(ctx, target, "CreateVirtualDisk_Task", body)
	if failed != nil {
		_ = take(ctx, req.Name, -bytes)
	}
	return result, failed
}

func (s *shim) deleteDisk(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	req := body.(*types.DeleteVirtualDisk_Task)
	bytes := capacity(ctx, req.Name)
	if bytes == 0 {
		missing := new(types.FileNotFound)
		missing.File = req.Name // the simulator would say where it keeps it
		return nil, missing
	}
	s.files.Lock()
	result, failed := s.upstream(ctx, target, "DeleteVirtualDisk_Task", body)
	s.files.Unlock()
	if failed == nil {
		_ = take(ctx, req.Name, -bytes)
		s.disks.set(req.Name, "")
	}
	return result, failed
}

func (s *shim) extendDisk(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	req := body.(*types.ExtendVirtualDisk_Task)
	more := req.NewCapacityKb<<10 - capacity(ctx, req.Name)
	if failed := take(ctx, req.Name, more); failed != nil {
		return nil, failed
	}
	result, failed := s.upstream(ctx, target, "ExtendVirtualDisk_Task", body)
	if failed != nil {
		_ = take(ctx, req.Name, -more)
	}
	return result, failed
}

func (s *shim) moveDisk(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	req := body.(*types.MoveVirtualDisk_Task)
	bytes := capacity(ctx, req.SourceName)
	id := s.disks.get(req.SourceName)
	if id == "" {
		id = pathID(ctx, target, req.SourceName)
	}
	if failed := take(ctx, req.DestName, bytes); failed != nil {
		return nil, failed
	}
	s.files.Lock()
	result, failed := s.upstream(ctx, target, "MoveVirtualDisk_Task", body)
	s.files.Unlock()
	if failed != nil {
		_ = take(ctx, req.DestName, -bytes)
		return nil, failed
	}
	_ = take(ctx, req.SourceName, -bytes)
	s.disks.set(req.SourceName, "")
	s.disks.set(req.DestName, id)
	return result, nil
}

func pathID(ctx *simContext, target mo.Reference, file string) string {
	center := datacenter(ctx).Self
	query := &types.QueryVirtualDiskUuid{Name: file, Datacenter: &center}
	answer := target.(*simulator.VirtualDiskManager).QueryVirtualDiskUuid(ctx, query)
	if answer.Fault() != nil {
		return ""
	}
	return returned[string](answer)
}

// search also fills in what the simulator leaves empty: a disk's capacity. No pattern is any file.
func (s *shim) search(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	name := "SearchDatastore_Task"
	var spec **types.HostDatastoreBrowserSearchSpec
	switch req := body.(type) {
	case *types.SearchDatastore_Task:
		spec = &req.SearchSpec
	case *types.SearchDatastoreSubFolders_Task:
		spec, name = &req.SearchSpec, "SearchDatastoreSubFolders_Task"
	}
	if *spec == nil {
		*spec = &types.HostDatastoreBrowserSearchSpec{}
	}
	if len((*spec).MatchPattern) == 0 {
		(*spec).MatchPattern = []string{"*"}
	}
	s.files.RLock()
	defer s.files.RUnlock()
	result, failed := s.upstream(ctx, target, name, body)
	switch found := result.(type) {
	case types.HostDatastoreBrowserSearchResults:
		fill(ctx, found)
	case types.ArrayOfHostDatastoreBrowserSearchResults:
		for _, one := range found.HostDatastoreBrowserSearchResults {
			fill(ctx, one)
		}
	}
	return result, failed
}

func fill(ctx *simContext, found types.HostDatastoreBrowserSearchResults) {
	for _, file := range found.File {
		disk, ok := file.(*types.VmDiskFileInfo)
		if ok && !strings.HasSuffix(disk.Path, "-flat.vmdk") {
			disk.CapacityKb = capacity(ctx, path.Join(found.FolderPath, disk.Path)) >> 10
			disk.DiskType = "VirtualDiskFlatVer2BackingInfo"
		}
	}
}
