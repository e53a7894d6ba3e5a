package main

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// guest is what VMware's tools inside a VM tell of it.
type guest struct {
	VM        string
	IsRunning bool
	Address   string
	Hostname  string
}

// serveGuest changes no configuration, as a guest does not either.
func serveGuest(ctx *simContext, w http.ResponseWriter, r *http.Request) {
	told := guest{}
	if err := json.NewDecoder(r.Body).Decode(&told); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	vm, ok := ctx.Map.Get(reference{Type: "VirtualMachine", Value: told.VM}).(*simulator.VirtualMachine)
	if !ok {
		http.Error(w, told.VM+" is no VM", http.StatusNotFound)
		return
	}
	own := *ctx
	own.WithLock(vm, func() { own.Update(vm, told.changes(vm)) })
}

func (g guest) changes(vm *simulator.VirtualMachine) []types.PropertyChange {
	running, status := types.VirtualMachineToolsRunningStatusGuestToolsNotRunning, types.VirtualMachineToolsStatusToolsNotRunning
	if g.IsRunning {
		running, status = types.VirtualMachineToolsRunningStatusGuestToolsRunning, types.VirtualMachineToolsStatusToolsOk
	}
	changes := []types.PropertyChange{
		{Name: "guest.toolsRunningStatus", Val: string(running)},
		{Name: "guest.toolsStatus", Val: status},
		{Name: "guest.ipAddress", Val: g.Address},
		{Name: "guest.hostName", Val: g.Hostname},
		{Name: "summary.guest.toolsRunningStatus", Val: string(running)},
		{Name: "summary.guest.toolsStatus", Val: status},
		{Name: "summary.guest.ipAddress", Val: g.Address},
		{Name: "summary.guest.hostName", Val: g.Hostname},
	}
	if cards := append([]types.GuestNicInfo(nil), vm.Guest.Net...); len(cards) > 0 {
		cards[0].IpAddress = nil
		if g.Address != "" {
			cards[0].IpAddress = []string{g.Address}
		}
		changes = append(changes, types.PropertyChange{Name: "guest.net", Val: cards})
	}
	return changes
}

// rebooting leaves a trace of a guest's reboot, by which those who play the guest learn of it.
type rebooting struct {
	*simulator.VirtualMachine
}

func (vm *rebooting) RebootGuest(ctx *simContext, req *types.RebootGuest) soap.HasFault {
	answer := vm.VirtualMachine.RebootGuest(ctx, req)
	if answer.Fault() == nil {
		now := time.Now()
		ctx.Update(vm.VirtualMachine, []types.PropertyChange{
			{Name: "runtime.bootTime", Val: &now}, {Name: "summary.runtime.bootTime", Val: &now},
		})
	}
	return answer
}
