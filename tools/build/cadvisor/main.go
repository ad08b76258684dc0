// cAdvisor for Docker hosts: the published library with its Docker plugin, answering /metrics and /healthz.
//
// cAdvisor's own main program is no part of any published module. This one takes the flags of it that
// components/monitoring/cadvisor.py uses, and has neither its pages nor its interface.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	_ "github.com/google/cadvisor/container/docker/install"
	"github.com/google/cadvisor/lib/cache/memory"
	"github.com/google/cadvisor/lib/container"
	"github.com/google/cadvisor/lib/manager"
	"github.com/google/cadvisor/lib/metrics"
	"github.com/google/cadvisor/lib/model"
	"github.com/google/cadvisor/lib/utils/sysfs"
	"github.com/google/cadvisor/lib/version"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
)

var (
	port        = flag.Int("port", 8080, "port to listen on")
	showVersion = flag.Bool("version", false, "print the version and exit")
	storeLabels = flag.Bool("store_container_labels", true, "turn every label of a container into one of its series")
	labels      = flag.String("whitelisted_container_labels", "", "labels of containers that become labels of series")
	duration    = flag.Duration("storage_duration", time.Minute, "how long figures are kept in memory")
	enabled     = container.MetricSet{}
)

// everyContainer asks for the newest figures of all containers.
var everyContainer = model.RequestOptions{IdType: model.TypeName, Count: 1, Recursive: true}

func main() {
	klog.InitFlags(nil)
	flag.Var(&enabled, "enable_metrics", "kinds of figures to collect")
	flag.Parse()
	if *showVersion {
		fmt.Printf("cAdvisor version %s\n", version.Version)
		return
	}
	watcher, err := manager.New(memory.New(*duration, nil), sysfs.NewRealSysFs(), manager.HousekeepingConfigFlags,
		enabled, []string{""}, nil, "", 0)
	if err != nil {
		klog.Fatalf("cannot watch this machine: %v", err)
	}
	if err := watcher.Start(); err != nil {
		klog.Fatalf("cannot start: %v", err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		_ = watcher.Stop()
		os.Exit(0)
	}()
	http.Handle("/metrics", handler(watcher))
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(answer, "ok") })
	klog.Fatal(http.ListenAndServe(fmt.Sprintf(":%d", *port), nil))
}

func handler(watcher manager.Manager) http.Handler {
	own := metrics.DefaultContainerLabels
	if !*storeLabels {
		own = metrics.BaseContainerLabels(strings.Split(*labels, ","))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		metrics.NewPrometheusCollector(watcher, own, enabled, clock.RealClock{}, everyContainer),
		metrics.NewPrometheusMachineCollector(watcher, enabled),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}
