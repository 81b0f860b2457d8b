package deploy_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// The Prometheus Operator's kinds, as far as we use them. Its own types would bring the
// whole of controller-runtime into go.mod.
type (
	serviceMonitor struct {
		v1.TypeMeta   `json:",inline"`
		v1.ObjectMeta `json:"metadata"`
		Spec          struct {
			JobLabel  string           `json:"jobLabel"`
			Selector  v1.LabelSelector `json:"selector"`
			Endpoints []struct {
				Port     string `json:"port"`
				Path     string `json:"path"`
				Interval string `json:"interval"`
			} `json:"endpoints"`
		} `json:"spec"`
	}
	prometheusRule struct {
		v1.TypeMeta   `json:",inline"`
		v1.ObjectMeta `json:"metadata"`
		Spec          any `json:"spec"`
	}
	kustomization struct {
		v1.TypeMeta `json:",inline"`
		Resources   []string `json:"resources"`
		Patches     []struct {
			Path   string `json:"path"`
			Target any    `json:"target"`
		} `json:"patches"`
		Images []struct {
			Name   string `json:"name"`
			NewTag string `json:"newTag"`
		} `json:"images"`
	}
)

func manifest[T any](t *testing.T, name string) (m T) {
	t.Helper()
	decode(t, filepath.Join("kubernetes", name), &m)
	return m
}

// form is one way to run the janitor in a cluster.
type form struct {
	labels    map[string]string // of its pods
	pod       core.PodSpec
	container core.Container
	beside    bool // the API, whose pod it must not harm
}

func forms(t *testing.T) map[string]form {
	t.Helper()
	alone := manifest[apps.Deployment](t, "standalone/deployment.yaml")
	beside := manifest[apps.Deployment](t, "sidecar/patch.yaml")
	once := manifest[batch.CronJob](t, "cronjob/cronjob.yaml").Spec.JobTemplate.Spec.Template
	if selector := alone.Spec.Selector.MatchLabels; !maps.Equal(selector, alone.Spec.Template.Labels) {
		t.Errorf("%s selects %v and makes pods with %v", alone.Name, selector, alone.Spec.Template.Labels)
	}
	return map[string]form{
		"standalone": {alone.Spec.Template.Labels, alone.Spec.Template.Spec, alone.Spec.Template.Spec.Containers[0], false},
		"sidecar":    {beside.Spec.Template.Labels, beside.Spec.Template.Spec, beside.Spec.Template.Spec.InitContainers[0], true},
		"cronjob":    {once.Labels, once.Spec, once.Spec.Containers[0], false},
	}
}

func TestKustomizationsNameTheirFiles(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"standalone", "sidecar", "cronjob", "monitoring"} {
		k := manifest[kustomization](t, dir+"/kustomization.yaml")
		entries, err := os.ReadDir(filepath.Join("kubernetes", dir))
		if err != nil {
			t.Fatal(err)
		}
		var files []string
		for _, e := range entries {
			if e.Name() != "kustomization.yaml" {
				files = append(files, e.Name())
			}
		}
		named := slices.Clone(k.Resources)
		for _, p := range k.Patches {
			named = append(named, p.Path)
		}
		slices.Sort(named)
		if named = slices.Compact(named); !slices.Equal(named, files) {
			t.Errorf("%s/kustomization.yaml has %q, the folder %q", dir, named, files)
		}
	}
}

// The standard is https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
// and a root that cannot be written to.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	for name, f := range forms(t) {
		pod, own := f.pod.SecurityContext, f.container.SecurityContext
		if f.beside { // the pod's is the API's
			pod = &core.PodSecurityContext{RunAsNonRoot: own.RunAsNonRoot, RunAsUser: own.RunAsUser, SeccompProfile: own.SeccompProfile}
		}
		for what, ok := range map[string]bool{
			"runs as root":                     is(pod.RunAsNonRoot, true) && is(pod.RunAsUser, 65532),
			"has no seccomp profile":           is(pod.SeccompProfile, core.SeccompProfile{Type: core.SeccompProfileTypeRuntimeDefault}),
			"may escalate":                     is(own.AllowPrivilegeEscalation, false),
			"writes to its root":               is(own.ReadOnlyRootFilesystem, true),
			"keeps capabilities":               slices.Equal(own.Capabilities.Drop, []core.Capability{"ALL"}) && own.Capabilities.Add == nil,
			"has the API server's token":       f.beside || is(f.pod.AutomountServiceAccountToken, false), // the API's as well
			"hears of services":                f.beside || is(f.pod.EnableServiceLinks, false),
			"shares the node":                  !f.pod.HostNetwork && !f.pod.HostPID && !f.pod.HostIPC && f.pod.Volumes == nil,
			"asks for nothing":                 !f.container.Resources.Requests.Cpu().IsZero() && !f.container.Resources.Requests.Memory().IsZero(),
			"has no limit on memory":           !f.container.Resources.Limits.Memory().IsZero(),
			"is killed before it may end":      f.beside || *f.pod.TerminationGracePeriodSeconds > 10, // --shutdown-timeout
			"is another image than the others": f.container.Image == image(t),
		} {
			if !ok {
				t.Errorf("%s: the janitor %s", name, what)
			}
		}
	}
}

// image is what every manifest runs: the release's image with the tag that the changelog knows, or the coming one.
func image(t *testing.T) string {
	t.Helper()
	name, tag := "", ""
	for _, dir := range []string{"standalone", "sidecar", "cronjob"} {
		of := manifest[kustomization](t, dir+"/kustomization.yaml").Images
		if len(of) != 1 || name != "" && (of[0].Name != name || of[0].NewTag != tag) {
			t.Fatalf("%s/kustomization.yaml has the images %v, another %s:%s", dir, of, name, tag)
		}
		name, tag = of[0].Name, of[0].NewTag
	}
	if !strings.HasPrefix(name, "ghcr.io/") || !strings.HasPrefix(tag, "v") {
		t.Errorf("the image %s:%s has no registry, or no version", name, tag)
	}
	return name + ":" + tag
}

// One change, of newTag, is another version.
func TestTagIsChangedInOnePlace(t *testing.T) {
	t.Parallel()
	for dir, kind := range map[string]string{"standalone": "Deployment", "cronjob": "CronJob"} {
		text := read(t, "kubernetes/"+dir+"/kustomization.yaml")
		files := map[string]string{"mine/kustomization.yaml": strings.Replace(text, "newTag: v1.0.0", "newTag: v9.9.9", 1)}
		entries, err := os.ReadDir(filepath.Join("kubernetes", dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "kustomization.yaml" {
				files["mine/"+e.Name()] = read(t, filepath.Join("kubernetes", dir, e.Name()))
			}
		}
		all, err := kustomize(t, files)
		if err != nil {
			t.Fatal(err)
		}
		yaml, err := all.AsYaml()
		if err != nil || strings.Count(string(yaml), "image: ghcr.io/hyphagraph/token-janitor:v9.9.9") != 1 {
			t.Errorf("%s (%v): %s %s has another image", dir, err, kind, yaml)
		}
	}
}

// is reports whether a field is there and has that value.
func is[T comparable](field *T, want T) bool { return field != nil && *field == want }

func TestSidecarCannotHarmTheAPI(t *testing.T) {
	t.Parallel()
	c := forms(t)["sidecar"].container
	switch {
	case !is(c.RestartPolicy, core.ContainerRestartPolicyAlways):
		t.Error("without restartPolicy Always the API would wait for the janitor to end")
	case c.ReadinessProbe != nil:
		t.Error("a readiness probe of a sidecar takes the API out of service")
	case c.StartupProbe != nil:
		t.Error("a startup probe of a sidecar keeps the API, which brings the schema, from starting")
	case c.LivenessProbe.HTTPGet.Path != "/healthz":
		t.Errorf("alive is %s: one that waits for the schema would be killed", c.LivenessProbe.HTTPGet.Path)
	}
}

func kubernetesLaunches(t *testing.T) map[string]launch {
	t.Helper()
	launches := map[string]launch{}
	for name, f := range forms(t) {
		// As a Service of the janitor's name would set them, were it not for enableServiceLinks.
		env := []string{"TOKEN_JANITOR_PORT=tcp://10.0.0.1:9856", "TOKEN_JANITOR_SERVICE_HOST=10.0.0.1"}
		for _, e := range f.container.Env {
			value := e.Value
			switch {
			case e.Name == "TOKEN_JANITOR_PUSH_URL":
				if !is(e.ValueFrom.SecretKeyRef.Optional, true) {
					t.Errorf("%s wants a Pushgateway", name)
				}
				value = "http://127.0.0.1:1"
			case e.ValueFrom != nil:
				value = unreachable // the Secret's
			}
			env = append(env, e.Name+"="+value)
		}
		if f.container.Command != nil {
			t.Errorf("%s: command %q stands in for the image's own", name, f.container.Command)
		}
		launches[name] = launch{f.container.Args, env}
	}
	return launches
}

func TestPortsAndLabelsMeet(t *testing.T) {
	t.Parallel()
	all := forms(t)
	for _, name := range []string{"standalone", "sidecar"} {
		f, service := all[name], manifest[core.Service](t, name+"/service.yaml")
		port := f.container.Ports[0]
		if want := exposed(t); port.ContainerPort != want || service.Spec.Ports[0].Port != want {
			t.Errorf("%s: port %d, service %d, the image exposes %d", name, port.ContainerPort, service.Spec.Ports[0].Port, want)
		}
		if got := service.Spec.Ports[0].TargetPort.StrVal; got != port.Name {
			t.Errorf("%s: the service leads to port %q, the pod has %q", name, got, port.Name)
		}
		if !selects(service.Spec.Selector, f.labels) {
			t.Errorf("%s: the service selects %v, its pods have %v", name, service.Spec.Selector, f.labels)
		}
		for _, probe := range []*core.Probe{f.container.LivenessProbe, f.container.ReadinessProbe} {
			if probe != nil && probe.HTTPGet.Port.StrVal != port.Name {
				t.Errorf("%s: a probe asks port %q", name, probe.HTTPGet.Port.StrVal)
			}
		}
		monitor := manifest[serviceMonitor](t, "monitoring/servicemonitor.yaml").Spec
		if !selects(monitor.Selector.MatchLabels, service.Labels) || monitor.Endpoints[0].Port != service.Spec.Ports[0].Name {
			t.Errorf("%s: the ServiceMonitor does not find the service", name)
		}
		if job := service.Labels[monitor.JobLabel]; job != "token-janitor" {
			t.Errorf("%s: the job is called %q, the alerts know token-janitor", name, job)
		}
	}
	for _, name := range []string{"standalone", "cronjob"} {
		policy := manifest[networking.NetworkPolicy](t, name+"/networkpolicy.yaml").Spec
		for other, f := range all {
			if got, want := selects(policy.PodSelector.MatchLabels, f.labels), other == name; got != want {
				t.Errorf("the NetworkPolicy of %s holds for %s: %t", name, other, got)
			}
		}
		if len(policy.PolicyTypes) != 2 {
			t.Errorf("the NetworkPolicy of %s has types %q, want both", name, policy.PolicyTypes)
		}
	}
	in := manifest[networking.NetworkPolicy](t, "standalone/networkpolicy.yaml").Spec.Ingress[0].Ports[0].Port.StrVal
	if in != all["standalone"].container.Ports[0].Name {
		t.Errorf("the NetworkPolicy lets in on port %q", in)
	}
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

func TestCronJobsRunEndsByItself(t *testing.T) {
	t.Parallel()
	job := manifest[batch.CronJob](t, "cronjob/cronjob.yaml").Spec
	var runTime time.Duration
	for _, arg := range forms(t)["cronjob"].container.Args {
		if text, ok := strings.CutPrefix(arg, "--max-run-time="); ok {
			var err error
			if runTime, err = time.ParseDuration(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	// --connect-timeout comes first, and the run ends after the batch in flight.
	deadline := time.Duration(*job.JobTemplate.Spec.ActiveDeadlineSeconds) * time.Second
	if least := runTime + 30*time.Second + 10*time.Second; runTime == 0 || deadline < least {
		t.Errorf("activeDeadlineSeconds are %s, want %s or more", deadline, least)
	}
	if args := forms(t)["cronjob"].container.Args; !slices.Contains(args, "--schedule="+job.Schedule) {
		t.Errorf("it runs at %q, and tells the alerts %q", job.Schedule, args)
	}
	if job.ConcurrencyPolicy != batch.ForbidConcurrent || deadline >= 15*time.Minute {
		t.Error("a run goes on into the next")
	}
}

func TestPrometheusRuleHasTheRules(t *testing.T) {
	t.Parallel()
	const name = "monitoring/prometheusrule.yaml"
	var rules any
	decode(t, "prometheus/rules.yaml", &rules)
	if *update {
		spec, err := yaml.Marshal(map[string]any{"spec": rules})
		if err != nil {
			t.Fatal(err)
		}
		text := ruleHead + string(spec)
		if err := os.WriteFile(filepath.Join("kubernetes", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rule := manifest[prometheusRule](t, name)
	if rule.Kind != "PrometheusRule" || !reflect.DeepEqual(rule.Spec, rules) {
		t.Errorf("kubernetes/%s has not the rules of prometheus/rules.yaml: go test ./deploy -update", name)
	}
}

const ruleHead = `# Made of prometheus/rules.yaml, where the comments are, by: go test ./deploy -update
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: token-janitor
  labels:
    app.kubernetes.io/name: token-janitor
`
