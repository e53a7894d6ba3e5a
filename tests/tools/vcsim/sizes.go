package main

import (
	"log"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	mhzPerCore = 2500
	mb         = 1 << 20
	gb         = 1 << 30
)

// sizes are what placement looks at; the simulator's own are 4 GB for a host and a terabyte per host for a datastore.
type sizes struct {
	hostMB      int64
	hostCores   int
	datastoreGB int64
	freeGB      string
}

// hosts changes the template every host is made from, so it is called before there are any.
func (s sizes) hosts() {
	hardware := esx.HostSystem.Summary.Hardware
	hardware.MemorySize = s.hostMB * mb
	hardware.CpuMhz = mhzPerCore
	hardware.NumCpuCores = int16(s.hostCores)
	hardware.NumCpuThreads = int16(s.hostCores)
	esx.HostHardwareInfo.MemorySize = s.hostMB * mb
	esx.HostHardwareInfo.CpuInfo.NumCpuCores = int16(s.hostCores)
	esx.HostHardwareInfo.CpuInfo.NumCpuThreads = int16(s.hostCores)
	esx.HostSystem.Summary.QuickStats.OverallMemoryUsage = 1024
	esx.HostSystem.Summary.QuickStats.OverallCpuUsage = 100
}

// datastores also puts the clusters right: vSphere counts effective memory in MB and CPU by core, the simulator in bytes and by host.
func (s sizes) datastores(registry *simulator.Registry) {
	free := pairs(s.freeGB)
	for _, entity := range registry.All("Datastore") {
		datastore := entity.(*simulator.Datastore)
		datastore.Summary.Capacity = s.datastoreGB * gb
		datastore.Summary.FreeSpace = s.datastoreGB * gb
		if some, ok := free[datastore.Name]; ok {
			datastore.Summary.FreeSpace = int64(some) * gb
		}
		datastore.Info.GetDatastoreInfo().FreeSpace = datastore.Summary.FreeSpace
	}
	for _, entity := range registry.All("ClusterComputeResource") {
		summary := entity.(*simulator.ClusterComputeResource).Summary.GetComputeResourceSummary()
		summary.EffectiveMemory = summary.TotalMemory / mb
		summary.TotalCpu = mhzPerCore * int32(summary.NumCpuCores)
		summary.EffectiveCpu = summary.TotalCpu
	}
}

// networks puts right what the datacenter and the clusters list: the simulator has one twice and opaque ones not at all.
func networks(registry *simulator.Registry) {
	center := registry.Any("Datacenter").(*simulator.Datacenter)
	folder := registry.Get(center.NetworkFolder).(*simulator.Folder)
	var opaque []types.ManagedObjectReference
	center.Network = nil
	for _, child := range folder.ChildEntity {
		switch child.Type {
		case "OpaqueNetwork":
			opaque = append(opaque, child)
			fallthrough
		case "Network", "DistributedVirtualPortgroup":
			center.Network = append(center.Network, child)
		}
	}
	for _, entity := range registry.All("ClusterComputeResource") {
		cluster := entity.(*simulator.ClusterComputeResource)
		cluster.Network = append(cluster.Network, opaque...)
	}
}

// pairs reads name:number,name:number.
func pairs(text string) map[string]int {
	read := make(map[string]int)
	for _, pair := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		name, number, ok := strings.Cut(pair, ":")
		value, err := strconv.Atoi(number)
		if !ok || err != nil {
			log.Fatalf("%q is not name:number", pair)
		}
		read[name] = value
	}
	return read
}
