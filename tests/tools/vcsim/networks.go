package main

import (
	"slices"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// addPortgroups tells of what the simulator puts into port groups after it has told of the groups themselves: without
// it whoever watches networks may never hear of a group's hosts, or of the logical switch behind it.
func (s *shim) addPortgroups(ctx *simContext, target mo.Reference, body any) (types.AnyType, fault) {
	result, failed := s.upstream(ctx, target, "AddDVPortgroup_Task", body)
	if failed != nil {
		return nil, failed
	}
	for _, ref := range target.(*simulator.DistributedVirtualSwitch).Portgroup {
		if group, ok := ctx.Map.Get(ref).(*simulator.DistributedVirtualPortgroup); ok {
			own := *ctx
			own.WithLock(group, func() {
				own.Update(group, []types.PropertyChange{{Name: "host", Val: group.Host}, {Name: "config", Val: group.Config}})
			})
		}
	}
	return result, nil
}

// destroyPortgroup refuses while VMs are connected, and takes the group from the lists of hosts and clusters, in which
// the simulator leaves it.
func (s *shim) destroyPortgroup(ctx *simContext, group *simulator.DistributedVirtualPortgroup, body any) (types.AnyType, fault) {
	for _, entity := range ctx.Map.All("VirtualMachine") {
		vm := entity.(*simulator.VirtualMachine)
		own := *ctx
		isUsed := false
		own.WithLock(vm, func() { isUsed = isConnected(vm, group.Key) })
		if isUsed {
			return nil, &types.ResourceInUse{Type: group.Self.Type, Name: group.Name}
		}
	}
	hosts := slices.Clone(group.Host)
	result, failed := s.upstream(ctx, group, "Destroy_Task", body)
	if failed != nil {
		return nil, failed
	}
	for _, ref := range hosts {
		if host, ok := ctx.Map.Get(ref).(*simulator.HostSystem); ok {
			ctx.Map.RemoveReference(ctx, host, &host.Network, group.Self)
		}
	}
	for _, entity := range ctx.Map.All("ClusterComputeResource") {
		cluster := entity.(*simulator.ClusterComputeResource)
		ctx.Map.RemoveReference(ctx, cluster, &cluster.Network, group.Self)
	}
	return result, nil
}

func isConnected(vm *simulator.VirtualMachine, portgroup string) bool {
	if vm.Config == nil {
		return false
	}
	for _, device := range vm.Config.Hardware.Device {
		backing, ok := device.GetVirtualDevice().Backing.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo)
		if ok && backing.Port.PortgroupKey == portgroup {
			return true
		}
	}
	return false
}
