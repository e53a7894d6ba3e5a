// Command vcsim serves govmomi's vCenter simulator for tests; README.md says what the other files put right about it.
//
// When it is ready it writes one line of JSON on standard output: {"url":"https://127.0.0.1:40123/sdk"}.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	_ "github.com/vmware/govmomi/lookup/simulator"
	_ "github.com/vmware/govmomi/pbm/simulator"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

func main() {
	model := simulator.VPX()
	model.Host = 0
	size := sizes{}
	listen := flag.String("l", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	user := flag.String("user", "user", "the only user there is")
	password := flag.String("password", "pass", "that user's password")
	flag.IntVar(&model.Cluster, "clusters", 3, "clusters")
	flag.IntVar(&model.ClusterHost, "hosts", 3, "hosts per cluster")
	flag.IntVar(&model.Datastore, "datastores", 2, "datastores, each seen by all hosts")
	flag.IntVar(&model.Portgroup, "portgroups", 2, "distributed port groups")
	flag.IntVar(&model.PortgroupNSX, "nsx-portgroups", 1, "NSX-backed distributed port groups")
	flag.IntVar(&model.OpaqueNetwork, "opaque", 0, "opaque networks, each with its NSX-backed port group")
	flag.IntVar(&model.Machine, "vms", 0, "virtual machines per pool")
	flag.IntVar(&model.Pool, "pools", 0, "resource pools per cluster, below its root pool")
	flag.IntVar(&model.Pod, "pods", 0, "datastore clusters")
	flag.IntVar(&model.DelayConfig.Delay, "delay", 0, "milliseconds by which every call is answered late")
	methodDelay := flag.String("method-delay", "", "the same for single methods: CloneVM_Task:500,Login:100")
	taskDelay := flag.Int("task-delay", 0, "milliseconds every task is seen running before its work is done")
	flag.Int64Var(&size.hostMB, "host-mb", 64<<10, "memory of a host")
	flag.IntVar(&size.hostCores, "host-cores", 16, "cores of a host")
	flag.Int64Var(&size.datastoreGB, "datastore-gb", 4<<10, "capacity of a datastore")
	flag.StringVar(&size.freeGB, "free-gb", "", "free space of single datastores: LocalDS_1:10 (else: all of it)")
	stdinExit := flag.Bool("stdinexit", false, "end when standard input ends")
	flag.Parse()
	log.SetOutput(os.Stderr)

	model.DelayConfig.MethodDelay = pairs(*methodDelay)
	size.hosts()
	check(model.Create())
	defer model.Remove()
	service := model.Service
	service.Listen = &url.URL{Host: *listen, User: url.UserPassword(*user, *password)}
	service.TLS = new(tls.Config)
	service.RegisterEndpoints = true
	size.datastores(model.Map())
	networks(model.Map())
	install(service, *taskDelay, model.DelayConfig.MethodDelay)
	server := service.NewServer() // never closed: that would wait for those who wait for updates
	check(json.NewEncoder(os.Stdout).Encode(map[string]string{
		"url": "https://" + server.URL.Host + server.URL.Path,
	}))
	wait(*stdinExit)
}

func wait(stdinExit bool) {
	ended := make(chan os.Signal, 2)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	if stdinExit {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			ended <- syscall.SIGTERM
		}()
	}
	<-ended
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
